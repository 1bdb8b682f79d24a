using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>What was charged in a world since this was made, to whom.</summary>
internal sealed class SharingMeter
{
    private readonly SharingWorld _world;
    private readonly Counter _guests;
    private readonly Counter _vmm;
    private readonly Counter _service;
    private readonly ulong _burnedNs;

    /// <summary>Counts from here.</summary>
    /// <param name="world">The world, at work.</param>
    public SharingMeter(SharingWorld world)
    {
        _world = world;
        _guests = new([.. world.Machines.Select(machine => machine.Cpu.Processor)]);
        _vmm = new([world.Host.Cpu.Processor]);
        _service = new(world.Helpers);
        _burnedNs = world.BurnedNs;
    }

    /// <summary>What it came to.</summary>
    /// <param name="tallies">What each VM did.</param>
    /// <param name="periodicLoadMax">The largest part of the time for periodic work that was used in a microframe.</param>
    public SharingFigures Stop(IReadOnlyList<SharingTally> tallies, double periodicLoadMax)
    {
        CostModel costs = _world.Host.Options.Costs;
        SharingTally[] disks = [.. tallies.Where(tally => tally.TransferNs.Count != 0)];
        ulong[] transfers = [.. tallies.SelectMany(tally => tally.TransferNs)];
        ulong[] keys = [.. tallies.SelectMany(tally => tally.KeyNs)];
        return new()
        {
            Transfers = tallies.Sum(tally => tally.Transfers),
            Bytes = tallies.Aggregate(0ul, (sum, tally) => sum + tally.Bytes),
            Exits = _guests[Cost.Exit],
            Injections = _guests[Cost.InterruptInjection],
            CopiedBytes = _guests[Cost.CopiedByte] + _vmm[Cost.CopiedByte] + _service[Cost.CopiedByte],
            DiskBytes = [.. disks.Select(tally => tally.Bytes)],
            TransferMean = Mean(transfers),
            TransferMax = Max(transfers),
            KeyMean = Mean(keys),
            KeyMax = Max(keys),
            Jain = disks.Length < 2 ? null : Fairness.Jain([.. disks.Select(tally => (double)tally.Bytes)]),
            GapNs = tallies.Max(tally => tally.GapNs),
            PeriodicLoadMax = _world.PeriodicRefusal.Length == 0 ? periodicLoadMax : null,
            PeriodicRefusal = _world.PeriodicRefusal,
            SlotsDue = tallies.Aggregate(0ul, (sum, tally) => sum + tally.SlotsDue),
            SlotsMissed = tallies.Aggregate(0ul, (sum, tally) => sum + tally.SlotsMissed),
            GuestCycles = _guests.Cycles(costs),
            VmmCycles = _vmm.Cycles(costs),
            ServiceCycles = _service.Cycles(costs),
            PollerCycles = (_world.BurnedNs - _burnedNs) * CostModel.CyclesPerMicrosecond / 1000,
        };
    }

    private static double Mean(ulong[] ns) => ns.Length == 0 ? 0 : ns.Average(static time => (double)time / WireTime.MicroframeNs);

    private static double Max(ulong[] ns) => ns.Length == 0 ? 0 : (double)ns.Max() / WireTime.MicroframeNs;

    /// <summary>What was charged to some processors since this was made.</summary>
    private sealed class Counter(IReadOnlyList<Processor> processors)
    {
        private readonly ulong[] _before = [.. Enum.GetValues<Cost>().Select(cost => Sum(processors, cost))];

        public ulong this[Cost cost] => Sum(processors, cost) - _before[(int)cost];

        public ulong Cycles(CostModel costs) =>
            Enum.GetValues<Cost>().Aggregate(0ul, (sum, cost) => sum + costs.Nanoseconds(cost, this[cost])) * CostModel.CyclesPerMicrosecond / 1000;

        private static ulong Sum(IReadOnlyList<Processor> processors, Cost cost) =>
            processors.Aggregate(0ul, (sum, processor) => sum + processor.Meter[cost]);
    }
}
