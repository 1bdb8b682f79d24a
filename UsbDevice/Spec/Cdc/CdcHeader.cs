using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The first of the functional descriptors (USB CDC, header functional descriptor).</summary>
/// <param name="Raw">Bits 39:0; the rest is zero.</param>
public readonly record struct CdcHeader(Bits64 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 5;

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
        init => Raw = Raw.With(15, 8, (ulong)value);
    }

    /// <summary>Bits 23:16, bDescriptorSubtype.</summary>
    public CdcSubtype Subtype
    {
        get => (CdcSubtype)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, (ulong)value);
    }

    /// <summary>Bits 39:24, bcdCDC, binary-coded decimal: 0120h.</summary>
    public ushort CdcVersion
    {
        get => (ushort)Raw.Bits(39, 24);
        init => Raw = Raw.With(39, 24, value);
    }
}
