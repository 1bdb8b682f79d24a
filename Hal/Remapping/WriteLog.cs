namespace Dma.Hal;

/// <summary>Which pages of memory devices wrote through a domain, as far as its tables tell.</summary>
/// <param name="hasBits">Whether entries have dirty bits; else a page that may be written counts as written.</param>
internal sealed class WriteLog(bool hasBits)
{
    private const ulong PageSize = 4096;

    /// <summary>Whether entries have dirty bits.</summary>
    public bool HasBits => hasBits;

    /// <summary>The numbers of the pages of memory that were written; not more than there are.</summary>
    public HashSet<ulong> Pages { get; } = [];

    /// <summary>Looks at an entry of a page, now or before it goes.</summary>
    /// <param name="format">How it is written.</param>
    /// <param name="leaf">The entry.</param>
    /// <param name="span">Bytes of the page: a large one was written as a whole.</param>
    /// <returns>Whether it counts as written.</returns>
    public bool See(PageFormat format, ulong leaf, ulong span)
    {
        if ((format.DirectionOf(leaf) & DmaDirection.FromDevice) == 0 || (hasBits && !format.IsDirty(leaf)))
            return false;
        for (ulong at = 0; at < span; at += PageSize)
            _ = Pages.Add((TableMemory.FromUnit(format.TargetOf(leaf)).Value + at) / PageSize);
        return true;
    }
}
