using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Asks for a device slot (xHCI, enable slot command TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct EnableSlotCommand(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

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

    /// <summary>Bits 116:112, as the supported protocol capability of the port says.</summary>
    public int SlotType
    {
        get => (int)Raw.Bits(116, 112);
        init => Raw = Raw.With(116, 112, (ulong)value);
    }
}
