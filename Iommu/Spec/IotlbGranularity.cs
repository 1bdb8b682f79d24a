namespace Dma.Iommu.Spec;

/// <summary>How much of the IOTLB an invalidation names (VT-d, IOTLB invalidate register).</summary>
public enum IotlbGranularity
{
    /// <summary>Nothing; an incorrect request.</summary>
    Reserved = 0,

    /// <summary>All entries.</summary>
    Global = 1,

    /// <summary>The entries of a domain.</summary>
    Domain = 2,

    /// <summary>The entries of a domain in a range of pages.</summary>
    Page = 3,
}
