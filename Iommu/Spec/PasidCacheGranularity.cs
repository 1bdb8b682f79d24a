namespace Dma.Iommu.Spec;

/// <summary>How much of the PASID cache an invalidation names (VT-d, PASID-cache invalidate descriptor).</summary>
public enum PasidCacheGranularity
{
    /// <summary>The entries of a domain.</summary>
    Domain = 0,

    /// <summary>The entries of a PASID in a domain.</summary>
    Pasid = 1,

    /// <summary>No meaning.</summary>
    Reserved = 2,

    /// <summary>All entries.</summary>
    Global = 3,
}
