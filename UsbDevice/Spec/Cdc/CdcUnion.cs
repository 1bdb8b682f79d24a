using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Which interfaces make one function (USB CDC, union functional descriptor).</summary>
/// <param name="Raw">Bits 39:0; the rest is zero.</param>
public readonly record struct CdcUnion(Bits64 Raw)
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

    /// <summary>Bits 31:24, bControlInterface.</summary>
    public byte ControlInterface
    {
        get => (byte)Raw.Bits(31, 24);
        init => Raw = Raw.With(31, 24, value);
    }

    /// <summary>Bits 39:32, bSubordinateInterface0.</summary>
    public byte SubordinateInterface
    {
        get => (byte)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, value);
    }
}
