using Dma.Iommu;

namespace Dma.Workloads;

/// <summary>Translating through two stages where no translation is cached, so that each address is a nested walk, beside a bare one.</summary>
public sealed class NestedWalkWorkload : Workload
{
    private readonly NestedWorld _world;
    private readonly FlatMemory _tables;
    private readonly FlatNestedWalk _walk;
    private readonly AddressStream _forBaseline;
    private readonly AddressStream _forSimulator;

    /// <summary>Walks for one working set of 4 KiB pages.</summary>
    public NestedWalkWorkload(WorkingSet set)
    {
        _world = new(set, HardwareProfile.Named("friendly-scalable") with { IotlbSets = 0 });
        _tables = new(_world.Memory, NestedWorld.TablesEnd);
        _walk = new(_tables, new(_tables, NestedWorld.SecondTop), NestedWorld.FirstTop);
        _forBaseline = new(set, NestedWorld.FirstAddress);
        _forSimulator = _forBaseline.FromMiddle();
    }

    /// <inheritdoc/>
    public override ulong Baseline()
    {
        ulong sum = 0;
        foreach (ulong address in _forBaseline.NextBatch())
            sum += _walk.Translate(address);
        return sum;
    }

    /// <inheritdoc/>
    public override ulong Simulator() => _world.Translate(_forSimulator.NextBatch());

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        // Mapped addresses, and addresses beside them, where both must refuse.
        foreach (ulong address in _forBaseline.All)
        {
            ulong beside = address - NestedWorld.FirstAddress;
            if ((Compare(address, _walk.Translate(address), _world.Translate(address))
                ?? Compare(beside, _walk.Translate(beside), _world.Translate(beside))) is { } difference)
                return difference;
        }

        return null;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        _tables.Dispose();
        _world.Dispose();
    }
}
