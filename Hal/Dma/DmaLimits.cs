using Dma.Machine;

namespace Dma.Hal;

/// <summary>What a device can reach and take. A driver narrows it to what its device has before it maps anything.</summary>
/// <param name="AddressBits">How many bits of an address the device forms, 12 to 64 (its DMA mask).</param>
/// <param name="Boundary">What no segment may cross: a power of two, at least 4096; 0 for nothing.</param>
/// <param name="SegmentBytesMax">The most bytes of a segment, at least 4096.</param>
/// <param name="SegmentsMax">The most segments of a list, at least 1.</param>
public readonly record struct DmaLimits(int AddressBits, ulong Boundary, int SegmentBytesMax, int SegmentsMax)
{
    private const int PageSize = FrameAllocator.FrameSize;

    /// <summary>A device that forms every address and takes lists of any length.</summary>
    public static DmaLimits None { get; } = new(64, 0, int.MaxValue, int.MaxValue);

    /// <summary>Whether the limits make sense.</summary>
    public bool IsValid => AddressBits is >= 12 and <= 64 && SegmentBytesMax >= PageSize && SegmentsMax >= 1
        && (Boundary == 0 || (Boundary >= PageSize && ulong.IsPow2(Boundary)));

    /// <summary>The highest address that the device forms.</summary>
    public ulong Mask => AddressBits == 64 ? ulong.MaxValue : (1ul << AddressBits) - 1;

    /// <summary>Whether the device forms every address of a stretch.</summary>
    /// <param name="address">The first byte.</param>
    /// <param name="length">Bytes, at least 1.</param>
    public bool Reaches(Iova address, ulong length) => length - 1 <= Mask && address.Value <= Mask - (length - 1);

    /// <summary>Whether the device takes a stretch as one segment.</summary>
    /// <inheritdoc cref="Reaches"/>
    public bool Takes(Iova address, ulong length) =>
        Reaches(address, length) && length <= (ulong)SegmentBytesMax && !Crosses(address, length);

    /// <summary>How much of a stretch fits into one segment that begins with it.</summary>
    /// <inheritdoc cref="Reaches"/>
    public int Fit(Iova address, int length)
    {
        ulong left = Boundary == 0 ? ulong.MaxValue : Boundary - (address.Value & (Boundary - 1));
        return (int)Math.Min(left, (ulong)Math.Min(length, SegmentBytesMax));
    }

    private bool Crosses(Iova address, ulong length) => Boundary != 0 && (address.Value & (Boundary - 1)) + length > Boundary;
}
