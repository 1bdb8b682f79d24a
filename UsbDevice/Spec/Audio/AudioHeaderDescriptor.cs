using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The first descriptor of a control interface, for one streaming interface (USB audio 1.0, class-specific AC interface header).</summary>
/// <param name="Raw">Bits 71:0; the rest is zero.</param>
public readonly record struct AudioHeaderDescriptor(Bits128 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 9;

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

    /// <summary>Bits 39:24, bcdADC, binary-coded decimal: 0100h.</summary>
    public ushort AudioVersion
    {
        get => (ushort)Raw.Bits(39, 24);
        init => Raw = Raw.With(39, 24, value);
    }

    /// <summary>Bits 55:40, wTotalLength: bytes of this and all terminals and units.</summary>
    public ushort TotalLength
    {
        get => (ushort)Raw.Bits(55, 40);
        init => Raw = Raw.With(55, 40, value);
    }

    /// <summary>Bits 63:56, bInCollection, 1.</summary>
    public byte InterfaceCount
    {
        get => (byte)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, value);
    }

    /// <summary>Bits 71:64, baInterfaceNr(1).</summary>
    public byte StreamingInterface
    {
        get => (byte)Raw.Bits(71, 64);
        init => Raw = Raw.With(71, 64, value);
    }
}
