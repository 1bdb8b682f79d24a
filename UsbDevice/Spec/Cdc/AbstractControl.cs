using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Which requests the device knows (USB CDC PSTN, abstract control management functional descriptor).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct AbstractControl(Bits32 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 4;

    /// <summary>Bits 7:0, bFunctionLength.</summary>
    public byte Length
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, bDescriptorType, CS_INTERFACE.</summary>
    public DescriptorType Type
    {
        get => (DescriptorType)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (uint)value);
    }

    /// <summary>Bits 23:16, bDescriptorSubtype.</summary>
    public CdcSubtype Subtype
    {
        get => (CdcSubtype)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, (uint)value);
    }

    /// <summary>Bit 24, of bmCapabilities: communication features.</summary>
    public bool Features
    {
        get => Raw.Bit(24);
        init => Raw = Raw.With(24, value);
    }

    /// <summary>Bit 25, of bmCapabilities: line coding, line state and SERIAL_STATE.</summary>
    public bool LineCoding
    {
        get => Raw.Bit(25);
        init => Raw = Raw.With(25, value);
    }

    /// <summary>Bit 26, of bmCapabilities: SEND_BREAK.</summary>
    public bool Break
    {
        get => Raw.Bit(26);
        init => Raw = Raw.With(26, value);
    }

    /// <summary>Bit 27, of bmCapabilities: NETWORK_CONNECTION.</summary>
    public bool NetworkConnection
    {
        get => Raw.Bit(27);
        init => Raw = Raw.With(27, value);
    }
}
