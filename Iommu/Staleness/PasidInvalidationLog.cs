using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>When software last invalidated what PASID entries say, by the number of the last table write before it.</summary>
internal sealed class PasidInvalidationLog
{
    private readonly Dictionary<(DomainId, Pasid?), ulong> _done = [];
    private ulong _global;

    /// <summary>Software invalidated.</summary>
    /// <param name="granularity">How much.</param>
    /// <param name="domain">The domain, for one domain or PASID.</param>
    /// <param name="pasid">The PASID, for one PASID.</param>
    /// <param name="number">The last table write before it.</param>
    public void Add(PasidCacheGranularity granularity, DomainId domain, Pasid pasid, ulong number)
    {
        if (granularity == PasidCacheGranularity.Global)
            _global = number;
        else
            _done[(domain, granularity == PasidCacheGranularity.Domain ? null : pasid)] = number;
    }

    /// <summary>Whether what the entries say that an answer was made of was invalidated after a write.</summary>
    public bool Covers(ulong write, CachedAnswer answer) =>
        _global >= write
        || (answer.Domain is { } domain
            && (_done.GetValueOrDefault((domain, null)) >= write || _done.GetValueOrDefault((domain, answer.Pasid)) >= write));
}
