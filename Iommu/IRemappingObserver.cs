using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Watches a unit at work: everything that is rare enough not to be on the way of each access.</summary>
/// <remarks>It looks on and changes nothing; what it sees costs the simulated machine no time.</remarks>
public interface IRemappingObserver
{
    /// <summary>A request was refused.</summary>
    void FaultDetected(in RemappingFault fault, FaultDisposition disposition);

    /// <summary>A request was answered from a cache that held what tables no longer say; told where <see cref="HardwareProfile.TracksStaleness"/> is set.</summary>
    /// <remarks>The guest never learns of it: on hardware, nobody would.</remarks>
    void StaleEntryUsed(StaleUse use)
    {
    }

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

    /// <summary>Software invalidated PASID entries.</summary>
    /// <param name="granularity">How much.</param>
    /// <param name="domain">The domain; without meaning where all are meant.</param>
    /// <param name="pasid">The PASID, for one PASID.</param>
    void PasidsInvalidated(PasidCacheGranularity granularity, DomainId domain, Pasid pasid)
    {
    }

    /// <summary>Software invalidated translations of a PASID.</summary>
    /// <param name="granularity">How much.</param>
    /// <param name="domain">The domain.</param>
    /// <param name="pasid">The PASID.</param>
    /// <param name="address">The first address of a range of pages.</param>
    /// <param name="addressMask">2^mask pages.</param>
    void PasidIotlbInvalidated(PasidIotlbGranularity granularity, DomainId domain, Pasid pasid, Iova address, int addressMask)
    {
    }

    /// <summary>Software invalidated interrupt remapping entries.</summary>
    /// <param name="first">The index of the first one.</param>
    /// <param name="count">How many.</param>
    void InterruptEntriesInvalidated(int first, int count)
    {
    }
}
