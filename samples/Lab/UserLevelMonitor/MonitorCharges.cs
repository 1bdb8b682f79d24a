using Dma.Machine;

namespace Dma.Lab;

/// <summary>What was charged to some processors since a moment.</summary>
internal sealed class MonitorCharges
{
    private readonly Processor[] _processors;
    private readonly CostModel _costs;
    private readonly ulong[] _before;

    /// <summary>Counts from now on.</summary>
    public MonitorCharges(CostModel costs, params Processor[] processors)
    {
        (_costs, _processors) = (costs, processors);
        _before = [.. Enum.GetValues<Cost>().Select(Sum)];
    }

    /// <summary>How often something was charged.</summary>
    public ulong this[Cost cost] => Sum(cost) - _before[(int)cost];

    /// <summary>Cycles, all together.</summary>
    public double Cycles => Enum.GetValues<Cost>().Sum(cost => (double)_costs.Nanoseconds(cost, this[cost])) * CostModel.CyclesPerMicrosecond / 1000;

    private ulong Sum(Cost cost) => _processors.Aggregate(0ul, (sum, processor) => sum + processor.Meter[cost]);
}
