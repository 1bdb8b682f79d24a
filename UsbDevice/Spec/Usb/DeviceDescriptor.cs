using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What a device is (USB 2.0, device descriptor).</summary>
/// <param name="Raw">Bits 143:0; the rest is zero.</param>
public readonly record struct DeviceDescriptor(Bits256 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 18;

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

    /// <summary>Bits 31:16, bcdUSB, binary-coded decimal: 0200h.</summary>
    public ushort UsbVersion
    {
        get => (ushort)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, value);
    }

    /// <summary>Bits 39:32, bDeviceClass.</summary>
    public DeviceClass Class
    {
        get => (DeviceClass)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, (ulong)value);
    }

    /// <summary>Bits 47:40, bDeviceSubClass.</summary>
    public byte Subclass
    {
        get => (byte)Raw.Bits(47, 40);
        init => Raw = Raw.With(47, 40, value);
    }

    /// <summary>Bits 55:48, bDeviceProtocol.</summary>
    public byte Protocol
    {
        get => (byte)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, value);
    }

    /// <summary>Bits 63:56, bMaxPacketSize0: bytes in a full packet of endpoint 0; 8, 16, 32 or 64. At SuperSpeed a power of two, 9.</summary>
    public byte MaxPacketSize0
    {
        get => (byte)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, value);
    }

    /// <summary>Bits 79:64, idVendor.</summary>
    public ushort VendorId
    {
        get => (ushort)Raw.Bits(79, 64);
        init => Raw = Raw.With(79, 64, value);
    }

    /// <summary>Bits 95:80, idProduct.</summary>
    public ushort ProductId
    {
        get => (ushort)Raw.Bits(95, 80);
        init => Raw = Raw.With(95, 80, value);
    }

    /// <summary>Bits 111:96, bcdDevice.</summary>
    public ushort DeviceVersion
    {
        get => (ushort)Raw.Bits(111, 96);
        init => Raw = Raw.With(111, 96, value);
    }

    /// <summary>Bits 119:112, iManufacturer: a string index, 0 for none.</summary>
    public byte ManufacturerString
    {
        get => (byte)Raw.Bits(119, 112);
        init => Raw = Raw.With(119, 112, value);
    }

    /// <summary>Bits 127:120, iProduct: a string index, 0 for none.</summary>
    public byte ProductString
    {
        get => (byte)Raw.Bits(127, 120);
        init => Raw = Raw.With(127, 120, value);
    }

    /// <summary>Bits 135:128, iSerialNumber: a string index, 0 for none.</summary>
    public byte SerialNumberString
    {
        get => (byte)Raw.Bits(135, 128);
        init => Raw = Raw.With(135, 128, value);
    }

    /// <summary>Bits 143:136, bNumConfigurations.</summary>
    public byte ConfigurationCount
    {
        get => (byte)Raw.Bits(143, 136);
        init => Raw = Raw.With(143, 136, value);
    }
}
