using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>One VM at work behind its virtual controller.</summary>
/// <param name="machine">The computer.</param>
/// <param name="number">Which VM, from 0.</param>
internal sealed class MergedWorker(MergedMachine machine, int number)
{
    private const int Rate = 48_000;
    private const int SoundBytes = 768;
    private const int ReadBytes = 16 * 1024;
    private const string Text = "the quick brown fox ";

    private readonly List<ulong> _transferNs = [];
    private AudioStream? _sound;
    private MergedCounts _before = new();
    private ulong _bytes;
    private ulong _transfers;
    private bool _isOver;

    /// <summary>What went wrong; empty where nothing did.</summary>
    public string Problem { get; private set; } = "";

    /// <summary>Raised once it is at work, or failed to be.</summary>
    public Signal Ready { get; } = new(machine.Host.Loop);

    private MergedWork Work => MergedMachine.WorkOf(number);

    private ulong Missed => _sound is { } sound ? (ulong)(sound.PacketsLost + sound.IntervalsSkipped) : 0;

    private ulong Due => _sound is { } sound ? (ulong)sound.PacketsMoved + Missed : 0;

    /// <summary>Starts its drivers and works until its controller is taken from it.</summary>
    public async Task Run(MergedUsbController sharing)
    {
        try
        {
            EhciDriver driver = await machine.Start(sharing, number);
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(driver, number + 1);
            await (Work switch
            {
                MergedWork.Sound => Record(AudioDriver.Find(device)),
                MergedWork.Keys => Type(await KeyboardDriver.Start(device)),
                _ => Read(driver, device),
            });
        }
        catch (DriverException exception)
        {
            Fail(exception.Message);
        }
    }

    /// <summary>From here on it counts.</summary>
    public void Begin(MergedUsbController sharing)
    {
        _before = Count(sharing);
        _transferNs.Clear();
    }

    /// <summary>What goes wrong from here on is no problem of the VM: its controller is taken from it.</summary>
    public void End() => _isOver = true;

    /// <summary>What it did since <see cref="Begin"/>.</summary>
    public MergedSummary Sum(MergedUsbController sharing)
    {
        MergedCounts counts = Count(sharing).Since(_before);
        return new(
            machine.Machines[number].Name,
            Work switch { MergedWork.Sound => "records sound", MergedWork.Keys => "is typed at", _ => "reads its disk" },
            Problem,
            counts,
            _transferNs.Count == 0 ? 0 : (ulong)_transferNs.Average(static ns => (double)ns));
    }

    private MergedCounts Count(MergedUsbController sharing)
    {
        VirtualMachine vm = machine.Machines[number];
        MergeStatistics statistics = sharing.StatisticsOf(vm);
        return new()
        {
            Bytes = _bytes,
            Transfers = _transfers,
            SlotsDue = Due,
            SlotsMissed = Missed,
            Exits = vm.Cpu.Processor.Meter[Cost.Exit],
            RegisterReads = statistics.RegisterReads,
            RegisterWrites = statistics.RegisterWrites,
            ProtectedStores = statistics.ProtectedStores,
            Interrupts = statistics.Interrupts,
            Scans = statistics.Scans,
            NodesVisited = statistics.NodesVisited,
            TransfersCopied = statistics.TransfersCopied,
            FramesCopied = statistics.FramesCopied,
            WrittenBack = statistics.WrittenBack,
            StructureBytes = statistics.StructureBytes,
        };
    }

    private async Task Record(AudioDriver audio)
    {
        _sound = await audio.Start(Rate);
        Ready.Raise();
        byte[] samples = new byte[SoundBytes];
        while (true)
        {
            ulong startNs = machine.Host.Loop.NowNs;
            await _sound.Record(samples);
            Moved(SoundBytes, "record 8 ms", startNs);
        }
    }

    private async Task Type(KeyboardDriver keys)
    {
        Ready.Raise();
        for (int at = 0; ; at++)
        {
            machine.Keyboard.Type(Text[(at % Text.Length)..(at % Text.Length + 1)]);
            ulong startNs = machine.Host.Loop.NowNs;
            KeyEvent down = await keys.Next() ?? default, up = await keys.Next() ?? default;
            if (UsLayout.CharacterOf(down.Key, shift: false) != Text[at % Text.Length] || up.IsDown)
                Fail("got another key than was typed");
            Moved(2 * 8, "a key", startNs);
        }
    }

    private async Task Read(EhciDriver driver, UsbDeviceHandle device)
    {
        MassStorageDriver disk = await MassStorageDriver.Start(device);
        Ready.Raise();
        MemoryBuffer buffer = driver.Memory.Allocate(ReadBytes);
        byte[] found = new byte[ReadBytes];
        for (int at = 0; ; at = (at + ReadBytes) % machine.Disks[number].Length)
        {
            ulong startNs = machine.Host.Loop.NowNs;
            await disk.Read((ulong)(at / disk.BlockBytes), buffer);
            buffer.Read(0, found);
            Moved(ReadBytes, "read 16 KiB", startNs);
            if (!found.AsSpan().SequenceEqual(machine.Disks[number].AsSpan(at, ReadBytes)))
                Fail("read what is not on its disk");
            if (at + ReadBytes < machine.Disks[number].Length)
                continue;

            // Once it is read it is let go of and found again, so that queues leave the list.
            await disk.Stop();
            disk = await MassStorageDriver.Start(device);
        }
    }

    private void Moved(int bytes, string what, ulong startNs)
    {
        _bytes += (ulong)bytes;
        _transfers++;
        _transferNs.Add(machine.Host.Loop.NowNs - startNs);
        machine.Note(number, what, startNs);
    }

    private void Fail(string problem)
    {
        Problem = Problem.Length == 0 && !_isOver ? problem : Problem;
        Ready.Raise();
    }
}
