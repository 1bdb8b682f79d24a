using Dma.Iommu;

namespace Dma.Workloads;

/// <summary>Translating addresses of mapped pages, with all caches as they are by default, beside a probe of one table.</summary>
public sealed class TranslateWorkload : Workload
{
    private readonly RemappedWorld _world;
    private readonly FlatMemory _tables;
    private readonly ProbeTable _probe;
    private readonly AddressStream _forBaseline;
    private readonly AddressStream _forSimulator;

    /// <summary>Translations of one working set.</summary>
    public TranslateWorkload(WorkingSet set)
    {
        _world = new(set, HardwareProfile.Named("friendly"));
        _tables = new(_world.Memory, RemappedWorld.TablesEnd);
        _probe = new(new(_tables, RemappedWorld.TopTable), set.PageShift);
        _forBaseline = new(set, RemappedWorld.FirstAddress);
        _forSimulator = _forBaseline.FromMiddle();
    }

    /// <inheritdoc/>
    public override ulong Baseline()
    {
        ulong sum = 0;
        foreach (ulong address in _forBaseline.NextBatch())
            sum += _probe.Translate(address, 1);
        return sum;
    }

    /// <inheritdoc/>
    public override ulong Simulator() => _world.Translate(_forSimulator.NextBatch());

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        foreach (ulong address in _forBaseline.All)
        {
            if (Compare(address, _probe.Translate(address, 1), _world.Translate(address)) is { } difference)
                return difference;
        }

        return null;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        _probe.Dispose();
        _tables.Dispose();
        _world.Dispose();
    }
}
