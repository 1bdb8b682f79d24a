namespace Dma.Iommu;

/// <summary>The caches of a unit, each of which can hold what tables no longer say.</summary>
public enum CacheKind
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>What root and context entries say, by requester.</summary>
    Context,

    /// <summary>What PASID directory and table say, by requester and PASID.</summary>
    Pasid,

    /// <summary>Entries of tables that point to further tables.</summary>
    PagingStructures,

    /// <summary>Translations of pages.</summary>
    Iotlb,
}
