using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What stands between an interface and its endpoints and leads to the report descriptor (USB HID, HID descriptor).</summary>
/// <param name="Raw">Bits 71:0; the rest is zero.</param>
public readonly record struct HidDescriptor(Bits128 Raw)
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

    /// <summary>Bits 31:16, bcdHID, binary-coded decimal: 0111h.</summary>
    public ushort HidVersion
    {
        get => (ushort)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, value);
    }

    /// <summary>Bits 39:32, bCountryCode; 0 for none, 33 for a US keyboard.</summary>
    public byte CountryCode
    {
        get => (byte)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, value);
    }

    /// <summary>Bits 47:40, bNumDescriptors, 1.</summary>
    public byte DescriptorCount
    {
        get => (byte)Raw.Bits(47, 40);
        init => Raw = Raw.With(47, 40, value);
    }

    /// <summary>Bits 55:48, bDescriptorType of what follows.</summary>
    public DescriptorType ReportType
    {
        get => (DescriptorType)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, (ulong)value);
    }

    /// <summary>Bits 71:56, wDescriptorLength: bytes of the report descriptor.</summary>
    public ushort ReportLength
    {
        get => (ushort)Raw.Bits(71, 56);
        init => Raw = Raw.With(71, 56, value);
    }
}
