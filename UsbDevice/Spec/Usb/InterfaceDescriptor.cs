using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>One interface, or an alternate setting of it (USB 2.0, interface descriptor).</summary>
/// <param name="Raw">Bits 71:0; the rest is zero.</param>
public readonly record struct InterfaceDescriptor(Bits128 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 9;

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

    /// <summary>Bits 23:16, bInterfaceNumber.</summary>
    public byte Number
    {
        get => (byte)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, value);
    }

    /// <summary>Bits 31:24, bAlternateSetting.</summary>
    public byte AlternateSetting
    {
        get => (byte)Raw.Bits(31, 24);
        init => Raw = Raw.With(31, 24, value);
    }

    /// <summary>Bits 39:32, bNumEndpoints, without endpoint 0.</summary>
    public byte EndpointCount
    {
        get => (byte)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, value);
    }

    /// <summary>Bits 47:40, bInterfaceClass.</summary>
    public DeviceClass Class
    {
        get => (DeviceClass)Raw.Bits(47, 40);
        init => Raw = Raw.With(47, 40, (ulong)value);
    }

    /// <summary>Bits 55:48, bInterfaceSubClass.</summary>
    public byte Subclass
    {
        get => (byte)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, value);
    }

    /// <summary>Bits 63:56, bInterfaceProtocol.</summary>
    public byte Protocol
    {
        get => (byte)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, value);
    }

    /// <summary>Bits 71:64, iInterface: a string index, 0 for none.</summary>
    public byte DescriptionString
    {
        get => (byte)Raw.Bits(71, 64);
        init => Raw = Raw.With(71, 64, value);
    }
}
