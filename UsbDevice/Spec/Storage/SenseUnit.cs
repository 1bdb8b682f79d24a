using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>SENSE: how a command ended; the sense data follows (USB attached SCSI, information units).</summary>
/// <remarks>Byte n of the standard is bits 8n+7:8n; fields of several bytes are big-endian.</remarks>
/// <param name="Raw">All bits.</param>
public readonly record struct SenseUnit(Bits128 Raw)
{
    /// <summary>Bytes in a unit without its sense data.</summary>
    public const int Size = 16;

    /// <summary>Bits 7:0, IU ID.</summary>
    public InformationUnitId Id
    {
        get => (InformationUnitId)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (ulong)value);
    }

    /// <summary>Bits 31:16, TAG, which names the command; 1 to FFFEh.</summary>
    public ushort Tag
    {
        get => BinaryPrimitives.ReverseEndianness((ushort)Raw.Bits(31, 16));
        init => Raw = Raw.With(31, 16, BinaryPrimitives.ReverseEndianness(value));
    }

    /// <summary>Bits 47:32, STATUS QUALIFIER.</summary>
    public ushort Qualifier
    {
        get => BinaryPrimitives.ReverseEndianness((ushort)Raw.Bits(47, 32));
        init => Raw = Raw.With(47, 32, BinaryPrimitives.ReverseEndianness(value));
    }

    /// <summary>Bits 55:48, STATUS.</summary>
    public ScsiStatus Status
    {
        get => (ScsiStatus)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, (ulong)value);
    }

    /// <summary>Bits 127:112, LENGTH: bytes of sense data that follow.</summary>
    public ushort SenseLength
    {
        get => BinaryPrimitives.ReverseEndianness((ushort)Raw.Bits(127, 112));
        init => Raw = Raw.With(127, 112, BinaryPrimitives.ReverseEndianness(value));
    }
}
