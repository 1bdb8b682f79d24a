using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>What one VM does with the controller that it has in turns: it records sound, or reads its disk over and over.</summary>
/// <param name="machine">The computer.</param>
/// <param name="number">Which VM, from 0.</param>
internal sealed class TurnGuest(TurnMachine machine, int number)
{
    private const int Rate = 48_000;
    private const int SoundBytes = 768;
    private const uint FrameIndexMask = 0x3FFF;
    private const int ReadBytes = 16 * 1024;

    private AudioStream? _sound;
    private ulong _exits;
    private ulong _bytes;
    private ulong _bytesBefore;
    private ulong _readNs;
    private long _dueBefore;
    private long _missedBefore;
    private IControllerState? _stateBefore;
    private bool _isOver;

    /// <summary>What it does.</summary>
    public string Work => number == 0 ? "records sound" : "reads its disk";

    /// <summary>What went wrong; empty where nothing did.</summary>
    public string Problem { get; private set; } = "";

    /// <summary>Raised once it is at work, or failed to be.</summary>
    public Signal Ready { get; } = new(machine.Host.Loop);

    private Meter Meter => machine.Machines[number].Cpu.Processor.Meter;

    private long Missed => _sound is { } sound ? sound.PacketsLost + sound.IntervalsSkipped : 0;

    private long Due => _sound is { } sound ? sound.PacketsMoved + Missed : 0;

    /// <summary>Starts its drivers and works until its controller is taken from it.</summary>
    /// <param name="sharing">Who gives turns.</param>
    public async Task Run(TimeSharedController sharing)
    {
        try
        {
            IUsbHostController driver = await UsbHostControllers.Start(await machine.Give(sharing, number));
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(driver, number + 1);
            await (number == 0 ? Record(AudioDriver.Find(device)) : Read(driver, await MassStorageDriver.Start(device)));
        }
        catch (DriverException exception)
        {
            Fail(exception.Message);
        }
    }

    /// <summary>From here on it counts.</summary>
    /// <param name="sharing">Who gives turns.</param>
    public void Begin(TimeSharedController sharing)
    {
        (_exits, _bytesBefore, _dueBefore, _missedBefore) = (Meter[Cost.Exit], _bytes, Due, Missed);
        _stateBefore = sharing.StateOf(machine.Machines[number]);
    }

    /// <summary>What goes wrong from here on is no problem of the VM: its controller is taken from it.</summary>
    public void End() => _isOver = true;

    /// <summary>What it did since <see cref="Begin"/>.</summary>
    /// <param name="window">The account of turns.</param>
    /// <param name="sharing">Who gives turns.</param>
    public TurnSummary Sum(TurnWindow window, TimeSharedController sharing)
    {
        VirtualMachine vm = machine.Machines[number];
        TurnLedger ledger = window.Ledger;
        ulong turns = ledger.TurnsOf(vm);
        return new(
            vm.Name,
            Work,
            Problem,
            ledger.TimeOf(vm),
            turns,
            turns == 0 ? 0 : (double)(Meter[Cost.Exit] - _exits) / turns,
            ledger.GapOf(vm),
            _bytes - _bytesBefore,
            (ulong)(Due - _dueBefore),
            (ulong)(Missed - _missedBefore),
            window.StraysOf(vm),
            Stood(_stateBefore!, sharing.StateOf(vm)),
            number == 0 ? 0 : machine.Host.Loop.NowNs - _readNs);
    }

    // For how many microframes the frame index stood still, of those that passed.
    private static uint Stood(IControllerState before, IControllerState after) =>
        ((uint)((after.MicroframeNs - before.MicroframeNs) / WireTime.MicroframeNs) - (after.FrameIndex - before.FrameIndex)) & FrameIndexMask;

    private async Task Record(AudioDriver audio)
    {
        _sound = await audio.Start(Rate);
        Ready.Raise();
        byte[] samples = new byte[SoundBytes];
        while (true)
        {
            ulong startNs = machine.Host.Loop.NowNs;
            await _sound.Record(samples);
            _bytes += SoundBytes;
            machine.Note(number, "record 8 ms", startNs);
        }
    }

    private async Task Read(IUsbHostController driver, MassStorageDriver disk)
    {
        _readNs = machine.Host.Loop.NowNs;
        Ready.Raise();
        MemoryBuffer buffer = driver.Memory.Allocate(ReadBytes);
        byte[] found = new byte[ReadBytes];
        for (int at = 0; ; at = (at + ReadBytes) % machine.Disks[number].Length)
        {
            ulong startNs = machine.Host.Loop.NowNs;
            await disk.Read((ulong)(at / disk.BlockBytes), buffer);
            buffer.Read(0, found);
            _bytes += ReadBytes;
            _readNs = machine.Host.Loop.NowNs;
            machine.Note(number, "read 16 KiB", startNs);
            if (!found.AsSpan().SequenceEqual(machine.Disks[number].AsSpan(at, ReadBytes)))
                Fail("read what is not on its disk");
        }
    }

    private void Fail(string problem)
    {
        Problem = Problem.Length == 0 && !_isOver ? problem : Problem;
        Ready.Raise();
    }
}
