using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Standard INQUIRY data, 36 bytes (SPC, standard INQUIRY data).</summary>
/// <remarks>Byte n of the standard is bits 8n+7:8n; fields of several bytes are big-endian.</remarks>
/// <param name="Raw">The bytes, first byte in bits 7:0.</param>
public readonly record struct InquiryData(Bits512 Raw)
{
    /// <summary>Bytes of standard data.</summary>
    public const int Size = 36;

    /// <summary>Where the T10 VENDOR IDENTIFICATION lies: 8 ASCII characters, filled up with spaces.</summary>
    public const int VendorOffset = 8;

    /// <summary>Where the PRODUCT IDENTIFICATION lies: 16 ASCII characters.</summary>
    public const int ProductOffset = 16;

    /// <summary>Where the PRODUCT REVISION LEVEL lies: 4 ASCII characters.</summary>
    public const int RevisionOffset = 32;

    /// <summary>Bits 4:0, PERIPHERAL DEVICE TYPE: 0 for a disk.</summary>
    public int DeviceType
    {
        get => (int)Raw.Bits(4, 0);
        init => Raw = Raw.With(4, 0, (ulong)value);
    }

    /// <summary>Bit 15, RMB: the medium can be removed.</summary>
    public bool Removable
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }

    /// <summary>Bits 23:16, VERSION of the standard; 4 for SPC-2.</summary>
    public byte Version
    {
        get => (byte)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, value);
    }

    /// <summary>Bits 27:24, RESPONSE DATA FORMAT, 2.</summary>
    public int ResponseFormat
    {
        get => (int)Raw.Bits(27, 24);
        init => Raw = Raw.With(27, 24, (ulong)value);
    }

    /// <summary>Bits 39:32, bytes that follow, 31.</summary>
    public byte AdditionalLength
    {
        get => (byte)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, value);
    }
}
