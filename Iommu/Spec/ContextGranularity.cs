namespace Dma.Iommu.Spec;

/// <summary>How much of the context cache an invalidation names (VT-d, context command register).</summary>
public enum ContextGranularity
{
    /// <summary>Nothing; an invalid request.</summary>
    Reserved = 0,

    /// <summary>All entries.</summary>
    Global = 1,

    /// <summary>The entries of a domain.</summary>
    Domain = 2,

    /// <summary>The entries of a requester.</summary>
    Device = 3,
}
