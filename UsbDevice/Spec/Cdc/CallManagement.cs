using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Whether the device dials by itself (USB CDC PSTN, call management functional descriptor).</summary>
/// <param name="Raw">Bits 39:0; the rest is zero.</param>
public readonly record struct CallManagement(Bits64 Raw)
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

    /// <summary>Bit 24, of bmCapabilities: the device handles calls.</summary>
    public bool HandlesCalls
    {
        get => Raw.Bit(24);
        init => Raw = Raw.With(24, value);
    }

    /// <summary>Bit 25, of bmCapabilities: it can be asked to over the data interface.</summary>
    public bool OverData
    {
        get => Raw.Bit(25);
        init => Raw = Raw.With(25, value);
    }

    /// <summary>Bits 39:32, bDataInterface.</summary>
    public byte DataInterface
    {
        get => (byte)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, value);
    }
}
