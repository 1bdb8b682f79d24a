using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>An event about a slot: Bandwidth Request, Doorbell (xHCI, bandwidth request event TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct SlotEvent(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 4:0, the value that was written to the doorbell of a virtual function.</summary>
    public int Reason
    {
        get => (int)Raw.Bits(4, 0);
        init => Raw = Raw.With(4, 0, (ulong)value);
    }

    /// <summary>Bits 95:88, always success.</summary>
    public CompletionCode Code
    {
        get => (CompletionCode)Raw.Bits(95, 88);
        init => Raw = Raw.With(95, 88, (ulong)value);
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

    /// <summary>Bits 127:120, the device slot.</summary>
    public byte Slot
    {
        get => (byte)Raw.Bits(127, 120);
        init => Raw = Raw.With(127, 120, value);
    }
}
