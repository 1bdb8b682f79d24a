using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Several VMs share the bus of one controller: all but the first read their disks, and the first takes all it can get.</summary>
/// <param name="vms">How many VMs.</param>
/// <param name="policy">How asynchronous time is shared out.</param>
/// <param name="seed">What the bytes of the disks come from.</param>
/// <param name="trace">Where a timeline is written, or null.</param>
internal sealed class RegisterSetRun(int vms, SharingPolicy policy, ulong seed, Stream? trace)
{
    private const ulong WindowNs = 50_000_000;
    private const int ReadBytes = 16 * 1024;
    private const int StripMicroframes = 64;

    /// <summary>Runs it.</summary>
    public RegisterSetReport Run()
    {
        Window? window = null;
        using SharedMachine machine = new(vms, new() { Policy = policy }, seed, trace, next => window = new(next));
        return machine.Host.Loop.Run(() => Play(machine, window!));
    }

    private async Task<RegisterSetReport> Play(SharedMachine machine, Window window)
    {
        SharedUsbController sharing = await machine.Start();
        Session[] sessions = new Session[vms];
        Guest greedy = await machine.Give(sharing, 0);
        for (int number = 1; number < vms; number++)
        {
            sessions[number] = await Session.Open(await machine.Give(sharing, number), number + 1);
            _ = await sessions[number].StartDisk();
            sharing.SetWeight(number, number);
        }

        // From here on it counts: the first VM begins, and the others never stop reading.
        ulong[] bytes = new ulong[vms];
        await GreedyGuest.Start(greedy);
        ulong startNs = machine.Host.Loop.NowNs;
        BusLedger ledger = new(vms, machine.Controller.Usb.Frames.StartOf(machine.Controller.Usb.Frames.Count(startNs)));
        for (int number = 0; number < vms; number++)
            ledger.GapOf(number).Backlogged(startNs);
        window.Ledger = ledger;
        bool[] isOver = [false];
        Task[] readers = [.. Enumerable.Range(1, vms - 1).Select(number => Read(machine, sessions[number], number, bytes, isOver))];
        await machine.Host.Cpu.Processor.Delay(WindowNs);
        isOver[0] = true;
        window.Ledger = null;
        machine.Note(0, "takes all it can get", startNs);
        RegisterSetReport report = Report(machine, ledger, window, bytes);

        // Who waits for a starved transfer is let go with the register set of the first VM.
        _ = await sharing.TakeBack(0);
        await Task.WhenAll(readers);
        return report;
    }

    private static async Task Read(SharedMachine machine, Session session, int number, ulong[] bytes, bool[] isOver)
    {
        MassStorageDriver disk = session.Disk!;
        MemoryBuffer buffer = session.Memory.Allocate(ReadBytes);
        ulong blocks = ReadBytes / (ulong)disk.BlockBytes;
        for (ulong block = 0; !isOver[0]; block = (block + blocks) % disk.BlockCount)
        {
            ulong startNs = machine.Host.Loop.NowNs;
            await disk.Read(block, buffer);
            if (!isOver[0])
                bytes[number] += ReadBytes;
            machine.Note(number, "read 16 KiB", startNs);
        }
    }

    private RegisterSetReport Report(SharedMachine machine, BusLedger ledger, Window window, ulong[] bytes)
    {
        ulong endNs = machine.Host.Loop.NowNs;
        ulong first = ledger.Last < StripMicroframes ? 0 : ledger.Last - StripMicroframes;
        ulong[] strip = [.. Enumerable.Range(0, StripMicroframes).Select(at => first + (ulong)at)];
        return new(
            policy.ToString(),
            WindowNs,
            [.. machine.Machines.Select((vm, set) => new SetSummary(
                vm.Name, set == 0, Math.Max(set, 1), ledger.TimeOf(set), ledger.VisitsOf(set), bytes[set], ledger.GapOf(set).MaxUntil(endNs)))],
            ledger.Jain(),
            ledger.PeriodicLoadMax,
            [.. machine.Machines.Select((vm, set) => new StripRow(
                vm.Name, [.. strip.Select(at => ledger.In(at, set).Periodic)], [.. strip.Select(at => ledger.In(at, set).Async)]))],
            window.LastWhole(ns => ns - ((ns - machine.Controller.Usb.Frames.StartOf(machine.Controller.Usb.Frames.Count(ns))) % WireTime.MicroframeNs)));
    }

    /// <summary>Lets the account see the bus while it is open, and remembers the last microframe.</summary>
    private sealed class Window(IBusShareObserver? next) : IBusShareObserver
    {
        private readonly List<BusUse> _uses = [];
        private List<BusUse> _last = [];
        private ulong _microframe;

        /// <summary>The account, or null.</summary>
        public BusLedger? Ledger { get; set; }

        /// <inheritdoc/>
        public void BusUsed(in BusUse use)
        {
            next?.BusUsed(use);
            if (Ledger is not { } ledger)
                return;
            ledger.BusUsed(use);
            if (ledger.Last != _microframe)
            {
                _last = [.. _uses];
                _uses.Clear();
                _microframe = ledger.Last;
            }

            _uses.Add(use);
        }

        /// <inheritdoc/>
        public void TokenHandled(in TokenUse use) => next?.TokenHandled(use);

        /// <inheritdoc/>
        public void AddressChanged(in AddressChange change) => next?.AddressChanged(change);

        /// <inheritdoc/>
        public void AddressZeroMoved(int owner, ulong nowNs) => next?.AddressZeroMoved(owner, nowNs);

        /// <summary>The uses of the last microframe that is over.</summary>
        public IReadOnlyList<MicroframeUse> LastWhole(Func<ulong, ulong> startOf)
        {
            if (_last.Count == 0)
                return [];
            ulong start = startOf(_last[0].StartNs);
            return [.. _last.Select(use => new MicroframeUse(use.Set, (uint)(use.StartNs - start), use.WireNs, use.IsPeriodic))];
        }
    }
}
