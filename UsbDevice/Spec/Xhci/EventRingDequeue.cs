using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>ERDP (xHCI, event ring dequeue pointer register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct EventRingDequeue(Bits64 Raw)
{
    /// <summary>Bits 2:0, DESI: the low bits of the segment that the pointer lies in.</summary>
    public int Segment
    {
        get => (int)Raw.Bits(2, 0);
        init => Raw = Raw.With(2, 0, (ulong)value);
    }

    /// <summary>Bit 3, EHB: the handler has events to work on; written ones clear it.</summary>
    public bool Busy
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bits 63:4, the next event that software will look at, a multiple of 16.</summary>
    public ulong Pointer
    {
        get => Raw.Bits(63, 4) << 4;
        init => Raw = Raw.With(63, 4, Aligned.Shift(value, 4));
    }
}
