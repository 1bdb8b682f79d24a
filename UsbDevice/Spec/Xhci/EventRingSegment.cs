using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>An entry of the event ring segment table (xHCI, event ring segment table).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct EventRingSegment(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 63:6, where the segment begins, a multiple of 64.</summary>
    public ulong Address
    {
        get => Raw.Bits(63, 6) << 6;
        init => Raw = Raw.With(63, 6, Aligned.Shift(value, 6));
    }

    /// <summary>Bits 79:64, TRBs in the segment, 16 to 4096.</summary>
    public int TrbCount
    {
        get => (int)Raw.Bits(79, 64);
        init => Raw = Raw.With(79, 64, (ulong)value);
    }
}
