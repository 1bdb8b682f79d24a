using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A command with an input context: Address Device, Configure Endpoint, Evaluate Context (xHCI, configure endpoint command TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ContextCommand(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 63:4, the address of the input context, a multiple of 16.</summary>
    public ulong InputContext
    {
        get => Raw.Bits(63, 4) << 4;
        init => Raw = Raw.With(63, 4, Aligned.Shift(value, 4));
    }

    /// <summary>Bit 96, whose TRB it is.</summary>
    public bool Cycle
    {
        get => Raw.Bit(96);
        init => Raw = Raw.With(96, value);
    }

    /// <summary>Bit 105, DC of Configure Endpoint: all endpoints but 0 go.</summary>
    public bool Deconfigure
    {
        get => Raw.Bit(105);
        init => Raw = Raw.With(105, value);
    }

    /// <summary>Bit 105, BSR of Address Device: nothing is sent to the device.</summary>
    public bool BlockSetAddress
    {
        get => Raw.Bit(105);
        init => Raw = Raw.With(105, value);
    }

    /// <summary>Bits 111:106, what it is.</summary>
    public TrbType Type
    {
        get => (TrbType)Raw.Bits(111, 106);
        init => Raw = Raw.With(111, 106, (ulong)value);
    }

    /// <summary>Bits 127:120, the device slot.</summary>
    public byte Slot
    {
        get => (byte)Raw.Bits(127, 120);
        init => Raw = Raw.With(127, 120, value);
    }
}
