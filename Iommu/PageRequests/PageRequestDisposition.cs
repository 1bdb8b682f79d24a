namespace Dma.Iommu;

/// <summary>What became of a page request at the queue.</summary>
internal enum PageRequestDisposition
{
    /// <summary>Never put there.</summary>
    None = 0,

    /// <summary>The queue holds it, and software answers.</summary>
    Stored,

    /// <summary>The queue was full, or had been before and software did not say so yet.</summary>
    Lost,

    /// <summary>No memory is where the queue shall be.</summary>
    NotWritten,
}
