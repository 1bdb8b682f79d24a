using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Where a ring goes on (xHCI, link TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct LinkTrb(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 63:4, the next segment, a multiple of 16.</summary>
    public ulong Segment
    {
        get => Raw.Bits(63, 4) << 4;
        init => Raw = Raw.With(63, 4, Aligned.Shift(value, 4));
    }

    /// <summary>Bits 95:86, which one gets the events.</summary>
    public int Interrupter
    {
        get => (int)Raw.Bits(95, 86);
        init => Raw = Raw.With(95, 86, (ulong)value);
    }

    /// <summary>Bit 96, whose TRB it is.</summary>
    public bool Cycle
    {
        get => Raw.Bit(96);
        init => Raw = Raw.With(96, value);
    }

    /// <summary>Bit 97, TC: the cycle bit means the opposite from there on.</summary>
    public bool ToggleCycle
    {
        get => Raw.Bit(97);
        init => Raw = Raw.With(97, value);
    }

    /// <summary>Bit 100, CH: the next TRB belongs to the same transfer descriptor.</summary>
    public bool Chain
    {
        get => Raw.Bit(100);
        init => Raw = Raw.With(100, value);
    }

    /// <summary>Bit 101, IOC: an event when it is done.</summary>
    public bool InterruptOnCompletion
    {
        get => Raw.Bit(101);
        init => Raw = Raw.With(101, value);
    }

    /// <summary>Bits 111:106, what it is.</summary>
    public TrbType Type
    {
        get => (TrbType)Raw.Bits(111, 106);
        init => Raw = Raw.With(111, 106, (ulong)value);
    }
}
