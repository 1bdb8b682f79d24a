using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Watches a unit at work: everything that is rare enough not to be on the way of each access.</summary>
/// <remarks>It looks on and changes nothing; what it sees costs the simulated machine no time.</remarks>
public interface IRemappingObserver
{
    /// <summary>A request was refused.</summary>
    void FaultDetected(in RemappingFault fault, FaultDisposition disposition);

    /// <summary>Tables were walked for a request that no cache could answer.</summary>
    /// <param name="source">The requester.</param>
    /// <param name="address">The address that it put on the bus.</param>
    void Walked(SourceId source, Iova address)
    {
    }

    /// <summary>Software invalidated translations.</summary>
    /// <param name="granularity">How much.</param>
    /// <param name="domain">The domain; 0 where all are meant.</param>
    /// <param name="address">The first address of a range of pages.</param>
    /// <param name="addressMask">2^mask pages.</param>
    void IotlbInvalidated(IotlbGranularity granularity, DomainId domain, Iova address, int addressMask)
    {
    }

    /// <summary>Software invalidated context entries.</summary>
    /// <param name="granularity">How much.</param>
    /// <param name="domain">The domain; 0 where all are meant.</param>
    /// <param name="source">The requester, for one device.</param>
    /// <param name="functionMask">How many of the bits 2:0 of the requester do not matter, from bit 2 down.</param>
    void ContextInvalidated(ContextGranularity granularity, DomainId domain, SourceId source, int functionMask)
    {
    }
}
