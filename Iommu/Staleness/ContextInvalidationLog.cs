using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>When software last invalidated what context entries say, by the number of the last table write before it.</summary>
/// <param name="matchesDomain">Whether an invalidation of one device spares entries of other domains than the one that it names.</param>
internal sealed class ContextInvalidationLog(bool matchesDomain)
{
    private readonly Dictionary<DomainId, ulong> _domains = [];
    private readonly Dictionary<(SourceId, DomainId?), ulong> _devices = [];
    private ulong _global;

    /// <summary>Software invalidated.</summary>
    /// <param name="granularity">How much.</param>
    /// <param name="domain">The domain, for one domain or device.</param>
    /// <param name="source">The requester, for one device.</param>
    /// <param name="functionMask">0 to 3: how many of the bits 2:0 of the requester do not matter, from bit 2 down.</param>
    /// <param name="number">The last table write before it.</param>
    public void Add(ContextGranularity granularity, DomainId domain, SourceId source, int functionMask, ulong number)
    {
        switch (granularity)
        {
            case ContextGranularity.Global:
                _global = number;
                break;
            case ContextGranularity.Domain:
                _domains[domain] = number;
                break;
            default:
                foreach (SourceId function in InvalidationRules.Functions(source, functionMask))
                    _devices[(function, matchesDomain ? domain : null)] = number;
                break;
        }
    }

    /// <summary>Whether what a requester's entries say was invalidated after a write.</summary>
    /// <param name="write">The number of the write.</param>
    /// <param name="source">The requester.</param>
    /// <param name="domain">The domain with which its entry was tagged.</param>
    public bool Covers(ulong write, SourceId source, DomainId domain) =>
        _global >= write
        || _domains.GetValueOrDefault(domain) >= write
        || _devices.GetValueOrDefault((source, matchesDomain ? domain : null)) >= write;
}
