namespace Dma.Iommu;

/// <summary>How a walk of paging structures can end without a page, before the mode of translation gives it a code.</summary>
internal enum WalkFault
{
    /// <summary>It found a page.</summary>
    None = 0,

    /// <summary>The top table cannot be read.</summary>
    TopTableAccess,

    /// <summary>A table below the top one cannot be read.</summary>
    TableAccess,

    /// <summary>An entry permits nothing, which is how the second stage says not present.</summary>
    NotPresent,

    /// <summary>A reserved bit is set in a present entry.</summary>
    Reserved,

    /// <summary>An entry is present and does not permit the access.</summary>
    Denied,

    /// <summary>An accessed or dirty bit is to be set, and the walk does not snoop.</summary>
    NotSnooped,

    /// <summary>An accessed or dirty bit cannot be set.</summary>
    UpdateFailed,

    /// <summary>The entry changed while it was looked at: no end yet, it has to be read again.</summary>
    Changed,
}
