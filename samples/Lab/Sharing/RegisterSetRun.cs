using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Several VMs share the bus of one controller: the first ones take all they can get, one with long packets and one with short ones, and the others read their disks.</summary>
/// <param name="vms">How many VMs.</param>
/// <param name="policy">How asynchronous time is shared out.</param>
/// <param name="seed">What the bytes of the disks come from.</param>
/// <param name="trace">Where a timeline is written, or null.</param>
internal sealed class RegisterSetRun(int vms, SharingPolicy policy, ulong seed, Stream? trace)
{
    private const ulong WindowNs = 50_000_000;
    private const int ReadBytes = 16 * 1024;
    private const int CapabilityBytes = 0x20;

    // One of two VMs reads its disk; of more, all but two.
    private static readonly int[] s_packetBytes = [512, 64];

    private static readonly (string Name, int Offset)[] s_registers =
    [
        ("USBCMD", EhciOperationalOffsets.UsbCommand),
        ("USBSTS", EhciOperationalOffsets.UsbStatus),
        ("USBINTR", EhciOperationalOffsets.InterruptEnable),
        ("FRINDEX", EhciOperationalOffsets.FrameIndex),
        ("PERIODICLISTBASE", EhciOperationalOffsets.PeriodicListBase),
        ("ASYNCLISTADDR", EhciOperationalOffsets.AsyncListAddress),
        ("PORTSC1", EhciOperationalOffsets.FirstPort),
        ("PORTSC2", EhciOperationalOffsets.FirstPort + sizeof(uint)),
    ];

    private readonly ulong[] _reads = new ulong[vms];
    private bool _isOver;

    private int Greedy => Math.Min(s_packetBytes.Length, vms - 1);

    /// <summary>Runs it.</summary>
    public RegisterSetReport Run()
    {
        using SharedMachine machine = new(vms, new() { Policy = policy }, seed, trace);
        DeficitWatch deficits = new(machine.Controller, machine.Account);
        machine.Controller.Observer = deficits;
        return machine.Host.Loop.Run(() => Play(machine, deficits));
    }

    private async Task<RegisterSetReport> Play(SharedMachine machine, DeficitWatch deficits)
    {
        SharedUsbController sharing = await machine.Start();
        Guest[] guests = new Guest[vms];
        Session[] sessions = new Session[vms];
        for (int number = 0; number < vms; number++)
        {
            guests[number] = await machine.Give(sharing, number);
            sessions[number] = await Session.Open(guests[number], number + 1);
            if (number >= Greedy)
                _ = await sessions[number].StartDisk();
            sharing.SetWeight(number, number + 1);
        }

        // From here on it counts: the first VMs begin, and the others never stop reading.
        await Task.WhenAll(guests.Take(Greedy).Select((guest, number) => GreedyGuest.Start(guest, s_packetBytes[number])));
        ulong startNs = machine.Host.Loop.NowNs;
        BusLedger ledger = machine.Account.Open(startNs);
        for (int number = 0; number < vms; number++)
            ledger.GapOf(number).Backlogged(startNs);
        deficits.IsOn = true;
        ulong[] exits = [.. machine.Machines.Select(vm => vm.Cpu.Processor.Meter[Cost.Exit])];
        ulong listReads = FrameListReads(machine);
        Task[] readers = [.. Enumerable.Range(Greedy, vms - Greedy).Select(number => Read(machine, sessions[number], number))];
        await machine.Host.Cpu.Processor.Delay(WindowNs);
        _isOver = true;
        deficits.IsOn = false;
        machine.Account.Close();
        for (int number = 0; number < Greedy; number++)
            machine.Note(number, "takes all it can get", startNs);
        RegisterSetReport report = Report(machine, ledger, deficits, exits) with
        {
            FrameListReads = (FrameListReads(machine) - listReads) / (double)(WindowNs / WireTime.MicroframeNs),
        };

        // Who waits for a starved transfer is let go with the register sets of the greedy ones.
        for (int number = 0; number < Greedy; number++)
            _ = await sharing.TakeBack(number);
        await Task.WhenAll(readers);
        return report;
    }

    private async Task Read(SharedMachine machine, Session session, int number)
    {
        MassStorageDriver disk = session.Disk!;
        MemoryBuffer buffer = session.Memory.Allocate(ReadBytes);
        ulong blocks = ReadBytes / (ulong)disk.BlockBytes;
        for (ulong block = 0; !_isOver; block = (block + blocks) % disk.BlockCount)
        {
            ulong startNs = machine.Host.Loop.NowNs;
            await disk.Read(block, buffer);
            if (!_isOver)
                _reads[number]++;
            machine.Note(number, "read 16 KiB", startNs);
        }
    }

    private RegisterSetReport Report(SharedMachine machine, BusLedger ledger, DeficitWatch deficits, ulong[] exits)
    {
        ulong endNs = machine.Host.Loop.NowNs;
        return new(
            SharingPolicies.NameOf(policy),
            WindowNs,
            [.. machine.Machines.Select((vm, set) => new SetSummary(
                vm.Name,
                set < Greedy ? s_packetBytes[set] : 0,
                set + 1,
                ledger.TimeOf(set),
                ledger.VisitsOf(set),
                _reads[set] * ReadBytes,
                ledger.GapOf(set).MaxUntil(endNs),
                _reads[set] == 0 ? 0 : (vm.Cpu.Processor.Meter[Cost.Exit] - exits[set]) / (double)_reads[set],
                machine.Controller.Interfaces[set].DeficitNs,
                deficits.Of(set).Min,
                deficits.Of(set).Max))],
            Greedy == 1 ? null : Fairness.Jain([.. Enumerable.Range(0, Greedy).Select(set => ledger.TimeOf(set) / (double)(policy == SharingPolicy.Weighted ? set + 1 : 1))]),
            ledger.PeriodicLoadMax,
            FrameListReads: 0,
            [.. s_registers.Select(register => new StateRow(
                register.Name,
                [.. machine.Controller.Interfaces.Select(own => own.ReadBar(0, (ulong)(CapabilityBytes + register.Offset), sizeof(uint)))]))],
            machine.Account.Strip(),
            machine.Account.LastWhole());
    }

    private static ulong FrameListReads(SharedMachine machine) => machine.Controller.Interfaces.Aggregate(0ul, static (sum, own) => sum + own.Statistics.FrameListReads);
}
