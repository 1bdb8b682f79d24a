using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>One endpoint (USB 2.0, endpoint descriptor).</summary>
/// <param name="Raw">Bits 55:0; the rest is zero.</param>
public readonly record struct EndpointDescriptor(Bits64 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 7;

    /// <summary>Bits 7:0, bLength.</summary>
    public byte Length
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, bDescriptorType.</summary>
    public DescriptorType Type
    {
        get => (DescriptorType)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (ulong)value);
    }

    /// <summary>Bits 19:16, of bEndpointAddress: 1 to 15.</summary>
    public int Number
    {
        get => (int)Raw.Bits(19, 16);
        init => Raw = Raw.With(19, 16, (ulong)value);
    }

    /// <summary>Bit 23, of bEndpointAddress: to the host.</summary>
    public bool In
    {
        get => Raw.Bit(23);
        init => Raw = Raw.With(23, value);
    }

    /// <summary>Bits 23:16, bEndpointAddress, the two fields above as one.</summary>
    public byte Address
    {
        get => (byte)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, value);
    }

    /// <summary>Bits 25:24, of bmAttributes.</summary>
    public TransferType TransferType
    {
        get => (TransferType)Raw.Bits(25, 24);
        init => Raw = Raw.With(25, 24, (ulong)value);
    }

    /// <summary>Bits 27:26, of bmAttributes, isochronous only: 0 none, 1 asynchronous, 2 adaptive, 3 synchronous.</summary>
    public int Synchronization
    {
        get => (int)Raw.Bits(27, 26);
        init => Raw = Raw.With(27, 26, (ulong)value);
    }

    /// <summary>Bits 29:28, of bmAttributes, isochronous only: 0 data, 1 feedback, 2 implicit feedback.</summary>
    public int Usage
    {
        get => (int)Raw.Bits(29, 28);
        init => Raw = Raw.With(29, 28, (ulong)value);
    }

    /// <summary>Bits 42:32, of wMaxPacketSize: bytes in a full packet.</summary>
    public int MaxPacketSize
    {
        get => (int)Raw.Bits(42, 32);
        init => Raw = Raw.With(42, 32, (ulong)value);
    }

    /// <summary>Bits 44:43, of wMaxPacketSize, high speed and periodic only: more transactions in a microframe, 0 to 2.</summary>
    public int AdditionalTransactions
    {
        get => (int)Raw.Bits(44, 43);
        init => Raw = Raw.With(44, 43, (ulong)value);
    }

    /// <summary>Bits 55:48, bInterval.</summary>
    public byte Interval
    {
        get => (byte)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, value);
    }
}
