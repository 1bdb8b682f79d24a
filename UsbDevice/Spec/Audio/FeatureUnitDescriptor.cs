using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The head of a feature unit; a map of controls for the master and for each channel follows, then a string index (USB audio 1.0, feature unit).</summary>
/// <param name="Raw">Bits 47:0; the rest is zero.</param>
public readonly record struct FeatureUnitDescriptor(Bits64 Raw)
{
    /// <summary>Bytes in the head.</summary>
    public const int Size = 6;

    /// <summary>Bits 7:0, bLength.</summary>
    public byte Length
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, bDescriptorType, CS_INTERFACE.</summary>
    public DescriptorType Type
    {
        get => (DescriptorType)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (ulong)value);
    }

    /// <summary>Bits 23:16, bDescriptorSubtype.</summary>
    public AudioControlSubtype Subtype
    {
        get => (AudioControlSubtype)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, (ulong)value);
    }

    /// <summary>Bits 31:24, bUnitID.</summary>
    public byte Id
    {
        get => (byte)Raw.Bits(31, 24);
        init => Raw = Raw.With(31, 24, value);
    }

    /// <summary>Bits 39:32, bSourceID.</summary>
    public byte Source
    {
        get => (byte)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, value);
    }

    /// <summary>Bits 47:40, bControlSize: bytes of each map; in a map, bit 0 is mute and bit 1 volume.</summary>
    public byte ControlSize
    {
        get => (byte)Raw.Bits(47, 40);
        init => Raw = Raw.With(47, 40, value);
    }
}
