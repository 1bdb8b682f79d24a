namespace Dma.UsbDevice.Spec;

/// <summary>Addresses in fields that leave out the low bits.</summary>
internal static class Aligned
{
    /// <summary>The address without its low bits, which must be zero: a pointer that lost them would point elsewhere.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A low bit is set.</exception>
    public static uint Shift(uint address, int bits) =>
        (address & ((1u << bits) - 1)) == 0
            ? address >> bits
            : throw new ArgumentOutOfRangeException(nameof(address), $"{address:X}h is not a multiple of {1u << bits:X}h.");

    /// <inheritdoc cref="Shift(uint, int)"/>
    public static ulong Shift(ulong address, int bits) =>
        (address & ((1ul << bits) - 1)) == 0
            ? address >> bits
            : throw new ArgumentOutOfRangeException(nameof(address), $"{address:X}h is not a multiple of {1ul << bits:X}h.");
}
