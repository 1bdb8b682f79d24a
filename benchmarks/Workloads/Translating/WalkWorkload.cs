using Dma.Iommu;

namespace Dma.Workloads;

/// <summary>Translating in a unit without an IOTLB, so that each address is a walk, beside a walk without all that a unit knows.</summary>
public sealed class WalkWorkload : Workload
{
    private readonly RemappedWorld _world;
    private readonly FlatMemory _tables;
    private readonly FlatWalk _walk;
    private readonly AddressStream _forBaseline;
    private readonly AddressStream _forSimulator;

    /// <summary>Walks for one working set.</summary>
    public WalkWorkload(WorkingSet set)
    {
        _world = new(set, HardwareProfile.Named("friendly") with { IotlbSets = 0 });
        _tables = new(_world.Memory, RemappedWorld.TablesEnd);
        _walk = new(_tables, RemappedWorld.TopTable);
        _forBaseline = new(set, RemappedWorld.FirstAddress);
        _forSimulator = _forBaseline.FromMiddle();
    }

    /// <inheritdoc/>
    public override ulong Baseline()
    {
        ulong sum = 0;
        foreach (ulong address in _forBaseline.NextBatch())
            sum += _walk.Translate(address, 1);
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
            ulong beside = address - RemappedWorld.FirstAddress;
            if ((Compare(address, _walk.Translate(address, 1), _world.Translate(address))
                ?? Compare(beside, _walk.Translate(beside, 1), _world.Translate(beside))) is { } difference)
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
