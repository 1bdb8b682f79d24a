using Dma.Iommu;

namespace Dma.Workloads;

/// <summary>Translating in 4096 pages, beside the same in 64: whether the default caches reach that far.</summary>
public sealed class ReachWorkload : Workload
{
    private readonly RemappedWorld _fewWorld;
    private readonly RemappedWorld _manyWorld;
    private readonly AddressStream _fewAddresses;
    private readonly AddressStream _manyAddresses;

    /// <summary>Two units, one for each working set.</summary>
    public ReachWorkload(WorkingSet few, WorkingSet many)
    {
        HardwareProfile profile = HardwareProfile.Named("friendly");
        _fewWorld = new(few, profile);
        _manyWorld = new(many, profile);
        _fewAddresses = new(few, RemappedWorld.FirstAddress);
        _manyAddresses = new(many, RemappedWorld.FirstAddress);
    }

    /// <inheritdoc/>
    public override ulong Baseline() => _fewWorld.Translate(_fewAddresses.NextBatch());

    /// <inheritdoc/>
    public override ulong Simulator() => _manyWorld.Translate(_manyAddresses.NextBatch());

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        // The two sides have nothing in common but that every address is mapped.
        foreach (ulong address in _manyAddresses.All)
        {
            if (_manyWorld.Translate(address) == FlatWalk.Fault)
                return $"The mapped address {address:X}h is refused.";
        }

        return null;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        _fewWorld.Dispose();
        _manyWorld.Dispose();
    }
}
