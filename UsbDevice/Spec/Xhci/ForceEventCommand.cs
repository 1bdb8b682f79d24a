using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Puts an event onto the ring of a virtual function (xHCI, force event command TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ForceEventCommand(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 63:4, the address of the event, a multiple of 16.</summary>
    public ulong EventTrb
    {
        get => Raw.Bits(63, 4) << 4;
        init => Raw = Raw.With(63, 4, Aligned.Shift(value, 4));
    }

    /// <summary>Bits 95:86, the interrupter of the virtual function.</summary>
    public int Target
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

    /// <summary>Bits 111:106, what it is.</summary>
    public TrbType Type
    {
        get => (TrbType)Raw.Bits(111, 106);
        init => Raw = Raw.With(111, 106, (ulong)value);
    }

    /// <summary>Bits 119:112, the virtual function.</summary>
    public byte Function
    {
        get => (byte)Raw.Bits(119, 112);
        init => Raw = Raw.With(119, 112, value);
    }
}
