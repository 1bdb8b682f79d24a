using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>One configuration; interfaces and endpoints follow it (USB 2.0, configuration descriptor).</summary>
/// <param name="Raw">Bits 71:0; the rest is zero.</param>
public readonly record struct ConfigurationDescriptor(Bits128 Raw)
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

    /// <summary>Bits 31:16, wTotalLength: bytes of this and all that follows.</summary>
    public ushort TotalLength
    {
        get => (ushort)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, value);
    }

    /// <summary>Bits 39:32, bNumInterfaces.</summary>
    public byte InterfaceCount
    {
        get => (byte)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, value);
    }

    /// <summary>Bits 47:40, bConfigurationValue: what SET_CONFIGURATION takes.</summary>
    public byte Value
    {
        get => (byte)Raw.Bits(47, 40);
        init => Raw = Raw.With(47, 40, value);
    }

    /// <summary>Bits 55:48, iConfiguration: a string index, 0 for none.</summary>
    public byte DescriptionString
    {
        get => (byte)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, value);
    }

    /// <summary>Bit 61, of bmAttributes: the device can wake the host.</summary>
    public bool RemoteWakeup
    {
        get => Raw.Bit(61);
        init => Raw = Raw.With(61, value);
    }

    /// <summary>Bit 62, of bmAttributes: the device has power of its own.</summary>
    public bool SelfPowered
    {
        get => Raw.Bit(62);
        init => Raw = Raw.With(62, value);
    }

    /// <summary>Bit 63, of bmAttributes: reserved, one.</summary>
    public bool AlwaysOne
    {
        get => Raw.Bit(63);
        init => Raw = Raw.With(63, value);
    }

    /// <summary>Bits 71:64, bMaxPower, in units of 2 mA.</summary>
    public byte MaxPower
    {
        get => (byte)Raw.Bits(71, 64);
        init => Raw = Raw.With(71, 64, value);
    }
}
