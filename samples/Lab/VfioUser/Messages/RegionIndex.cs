namespace Dma.Lab;

/// <summary>The regions of a PCI device; 0 to 5 are what its base address registers stand for (Linux, vfio.h).</summary>
internal static class RegionIndex
{
    /// <summary>The one after the last BAR: the expansion ROM.</summary>
    public const uint Rom = 6;

    /// <summary>Configuration space.</summary>
    public const uint Configuration = 7;

    /// <summary>How many there are, the one for VGA included.</summary>
    public const uint Count = 9;
}
