using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What a device would be at the other speed (USB 2.0, device qualifier descriptor).</summary>
/// <param name="Raw">Bits 79:0, of which 79:72 are reserved; the rest is zero.</param>
public readonly record struct DeviceQualifierDescriptor(Bits128 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 10;

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

    /// <summary>Bits 31:16, bcdUSB.</summary>
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

    /// <summary>Bits 63:56, bMaxPacketSize0.</summary>
    public byte MaxPacketSize0
    {
        get => (byte)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, value);
    }

    /// <summary>Bits 71:64, bNumConfigurations.</summary>
    public byte ConfigurationCount
    {
        get => (byte)Raw.Bits(71, 64);
        init => Raw = Raw.With(71, 64, value);
    }
}
