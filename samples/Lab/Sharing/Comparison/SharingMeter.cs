using Dma.Machine;
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
        _service = new([.. world.Helpers.Select(static helper => helper.Processor)]);
        _burnedNs = world.BurnedNs;
    }

    /// <summary>What it came to.</summary>
    /// <param name="tallies">What each VM did.</param>
    /// <param name="periodicLoadMax">The largest part of the time for periodic work that was used in a microframe.</param>
    /// <param name="jainLeast">The least even window.</param>
    public SharingFigures Stop(IReadOnlyList<SharingTally> tallies, double periodicLoadMax, double jainLeast)
    {
        CostModel costs = _world.Host.Options.Costs;
        SharingTally[] disks = [.. tallies.Where(tally => tally.TransferNs.Count != 0)];
        bool[] streams = [.. tallies.Where(tally => tally.IsInFull is not null).Select(tally => tally.IsInFull == true)];
        return new()
        {
            Transfers = tallies.Sum(tally => tally.Transfers),
            Bytes = tallies.Aggregate(0ul, (sum, tally) => sum + tally.Bytes),
            Exits = _guests[Cost.Exit] + _guests[Cost.PageFault],
            Injections = _guests[Cost.InterruptInjection],
            CopiedBytes = _guests[Cost.CopiedByte] + _vmm[Cost.CopiedByte] + _service[Cost.CopiedByte],
            DiskBytes = [.. disks.Select(tally => tally.Bytes)],
            Transfer = Latency(tallies.SelectMany(tally => tally.TransferNs)),
            Key = Latency(tallies.SelectMany(tally => tally.KeyNs)),
            Jain = disks.Length < 2 ? null : Fairness.Jain([.. disks.Select(tally => (double)tally.Bytes)]),
            JainLeast = disks.Length < 2 ? null : jainLeast,
            GapNs = tallies.Max(tally => tally.GapNs),
            PeriodicLoadMax = _world.PeriodicRefusal.Length == 0 ? periodicLoadMax : null,
            PeriodicRefusal = _world.PeriodicRefusal,
            SlotsDue = tallies.Aggregate(0ul, (sum, tally) => sum + tally.SlotsDue),
            SlotsMissed = tallies.Aggregate(0ul, (sum, tally) => sum + tally.SlotsMissed),
            Streams = streams.Length,
            StreamsInFull = streams.Count(isInFull => isInFull),
            GuestCycles = _guests.Cycles(costs),
            VmmCycles = _vmm.Cycles(costs),
            ServiceCycles = _service.Cycles(costs),
            PollerCycles = (_world.BurnedNs - _burnedNs) * CostModel.CyclesPerMicrosecond / 1000,
        };
    }

    private static SharingLatency? Latency(IEnumerable<ulong> ns)
    {
        LatencyMeter meter = new();
        foreach (ulong time in ns)
            meter.Add(time);
        return meter.Count == 0 ? null : new(meter.Mean, meter.Percentile(0.5), meter.Percentile(0.99), meter.Max);
    }

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
