namespace Dma.Iommu.Spec;

/// <summary>How much of the IOTLB a PASID-based invalidation names (VT-d, PASID-based IOTLB invalidate descriptor); 0 and 1 are reserved.</summary>
public enum PasidIotlbGranularity
{
    /// <summary>All translations of a PASID in a domain, but those of the second stage alone.</summary>
    Pasid = 2,

    /// <summary>Those of the first stage, nested or not, in a range of pages.</summary>
    Page = 3,
}
