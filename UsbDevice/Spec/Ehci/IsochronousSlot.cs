using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>One microframe of an iTD (EHCI, iTD transaction status and control).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct IsochronousSlot(Bits32 Raw)
{
    /// <summary>Bits 11:0, the offset of the data in its page.</summary>
    public int Offset
    {
        get => (int)Raw.Bits(11, 0);
        init => Raw = Raw.With(11, 0, (uint)value);
    }

    /// <summary>Bits 14:12, PG: the page, 0 to 6.</summary>
    public int PageSelect
    {
        get => (int)Raw.Bits(14, 12);
        init => Raw = Raw.With(14, 12, (uint)value);
    }

    /// <summary>Bit 15, IOC: interrupt when done.</summary>
    public bool InterruptOnComplete
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }

    /// <summary>Bits 27:16, bytes to move; after an IN, bytes that came.</summary>
    public int Length
    {
        get => (int)Raw.Bits(27, 16);
        init => Raw = Raw.With(27, 16, (uint)value);
    }

    /// <summary>Bit 28, an IN had no answer, or one that made no sense.</summary>
    public bool TransactionError
    {
        get => Raw.Bit(28);
        init => Raw = Raw.With(28, value);
    }

    /// <summary>Bit 29, the device sent more than it may.</summary>
    public bool Babble
    {
        get => Raw.Bit(29);
        init => Raw = Raw.With(29, value);
    }

    /// <summary>Bit 30, the controller could not keep up with the data.</summary>
    public bool BufferError
    {
        get => Raw.Bit(30);
        init => Raw = Raw.With(30, value);
    }

    /// <summary>Bit 31, the controller shall execute this.</summary>
    public bool Active
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }
}
