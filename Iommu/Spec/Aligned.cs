namespace Dma.Iommu.Spec;

/// <summary>Puts addresses into fields that leave out their low bits.</summary>
internal static class Aligned
{
    /// <summary>The address without its low bits.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A bit that the field has no room for is set.</exception>
    public static ulong Shift(ulong address, int bits) =>
        address >> bits << bits == address
            ? address >> bits
            : throw new ArgumentOutOfRangeException(nameof(address), $"{address:X}h is not a multiple of {1ul << bits:X}h.");
}
