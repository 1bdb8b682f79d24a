using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The eight bytes of a SETUP transaction (USB 2.0, USB device requests).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct SetupPacket(Bits64 Raw)
{
    /// <summary>Bytes in a packet.</summary>
    public const int Size = 8;

    /// <summary>Bits 4:0, whom the request is for.</summary>
    public RequestRecipient Recipient
    {
        get => (RequestRecipient)Raw.Bits(4, 0);
        init => Raw = Raw.With(4, 0, (ulong)value);
    }

    /// <summary>Bits 6:5, who defined the request.</summary>
    public RequestType Type
    {
        get => (RequestType)Raw.Bits(6, 5);
        init => Raw = Raw.With(6, 5, (ulong)value);
    }

    /// <summary>Bit 7, the data stage goes to the host.</summary>
    public bool In
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bits 7:0, bmRequestType, the three fields above as one.</summary>
    public byte Characteristics
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, bRequest.</summary>
    public byte Request
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }

    /// <summary>Bits 31:16, wValue.</summary>
    public ushort Value
    {
        get => (ushort)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, value);
    }

    /// <summary>Bits 47:32, wIndex.</summary>
    public ushort Index
    {
        get => (ushort)Raw.Bits(47, 32);
        init => Raw = Raw.With(47, 32, value);
    }

    /// <summary>Bits 63:48, wLength: bytes of the data stage.</summary>
    public ushort Length
    {
        get => (ushort)Raw.Bits(63, 48);
        init => Raw = Raw.With(63, 48, value);
    }
}
