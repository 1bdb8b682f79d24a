using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>What the work of a guest came to between two moments, to whom.</summary>
/// <param name="host">The host.</param>
/// <param name="machine">The VM.</param>
internal sealed class PolicyMeter(Host host, VirtualMachine machine)
{
    private static readonly Cost[] _costs = Enum.GetValues<Cost>();

    private ulong[] _guest = [];
    private ulong[] _vmm = [];
    private RemappingStatistics _unit;
    private ulong _startNs;

    /// <summary>Counts from here.</summary>
    public void Start() =>
        (_guest, _vmm, _unit, _startNs) = (Counts(machine.Cpu.Processor), Counts(host.Cpu.Processor), host.Unit.Statistics, host.Loop.NowNs);

    /// <summary>What it came to.</summary>
    /// <param name="options">How much work that was.</param>
    /// <param name="work">The work.</param>
    public PolicyFigures Stop(PolicyComparisonOptions options, PolicyWork work)
    {
        ulong[] guest = Since(_guest, machine.Cpu.Processor), vmm = Since(_vmm, host.Cpu.Processor);
        RemappingStatistics unit = host.Unit.Statistics;
        ulong asked = unit.Translations - _unit.Translations;
        double Per(ulong count) => Math.Round((double)count / options.Transfers, 4);
        return new()
        {
            Hypercalls = Per(guest[(int)Cost.Hypercall]),
            Exits = Per(guest[(int)Cost.Exit]),
            Invalidations = Per(vmm[(int)Cost.Invalidation]),
            IotlbHits = asked == 0 ? 0 : Math.Round((double)(unit.IotlbHits - _unit.IotlbHits) / asked, 4),
            PinnedPagesMost = machine.PinnedPagesMost,
            CopiesPerByte = Math.Round((double)(guest[(int)Cost.CopiedByte] + vmm[(int)Cost.CopiedByte]) / ((double)options.Transfers * options.TransferBytes), 4),
            TimeNs = Per(host.Loop.NowNs - _startNs),
            GuestNs = Per(Nanoseconds(guest)),
            VmmNs = Per(Nanoseconds(vmm)),
            Sha256 = work.Sha256,
            IsWhole = work.IsWhole,
        };
    }

    private static ulong[] Counts(Processor processor) => [.. _costs.Select(cost => processor.Meter[cost])];

    private static ulong[] Since(ulong[] before, Processor processor) => [.. Counts(processor).Zip(before, (now, then) => now - then)];

    private ulong Nanoseconds(ulong[] counts) =>
        _costs.Aggregate(0ul, (sum, cost) => sum + host.Options.Costs.Nanoseconds(cost, counts[(int)cost]));
}
