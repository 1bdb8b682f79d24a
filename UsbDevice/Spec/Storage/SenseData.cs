using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Fixed-format sense data, the 18 bytes that REQUEST SENSE returns (SPC, fixed format sense data).</summary>
/// <remarks>Fields of several bytes are big-endian in SCSI; those used here have one byte.</remarks>
/// <param name="Raw">Bits 143:0; the rest is zero. Byte n of the standard is bits 8n+7:8n.</param>
public readonly record struct SenseData(Bits256 Raw)
{
    /// <summary>Bytes of sense data.</summary>
    public const int Size = 18;

    /// <summary>Bits 6:0, 70h: about the current command.</summary>
    public byte ResponseCode
    {
        get => (byte)Raw.Bits(6, 0);
        init => Raw = Raw.With(6, 0, value);
    }

    /// <summary>Bit 7, VALID: the information field means something.</summary>
    public bool InformationValid
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bits 19:16, SENSE KEY.</summary>
    public SenseKey Key
    {
        get => (SenseKey)Raw.Bits(19, 16);
        init => Raw = Raw.With(19, 16, (ulong)value);
    }

    /// <summary>Bits 63:56, bytes that follow, 10.</summary>
    public byte AdditionalLength
    {
        get => (byte)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, value);
    }

    /// <summary>Bits 103:96, ASC.</summary>
    public byte AdditionalCode
    {
        get => (byte)Raw.Bits(103, 96);
        init => Raw = Raw.With(103, 96, value);
    }

    /// <summary>Bits 111:104, ASCQ.</summary>
    public byte AdditionalQualifier
    {
        get => (byte)Raw.Bits(111, 104);
        init => Raw = Raw.With(111, 104, value);
    }
}
