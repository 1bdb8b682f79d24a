using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What every unit begins with, and all that a READ READY or WRITE READY unit has (USB attached SCSI, information units).</summary>
/// <remarks>Byte n of the standard is bits 8n+7:8n; fields of several bytes are big-endian.</remarks>
/// <param name="Raw">All bits.</param>
public readonly record struct InformationUnit(Bits32 Raw)
{
    /// <summary>Bytes in a unit without more.</summary>
    public const int Size = 4;

    /// <summary>Bits 7:0, IU ID.</summary>
    public InformationUnitId Id
    {
        get => (InformationUnitId)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (uint)value);
    }

    /// <summary>Bits 31:16, TAG, which names the command; 1 to FFFEh.</summary>
    public ushort Tag
    {
        get => BinaryPrimitives.ReverseEndianness((ushort)Raw.Bits(31, 16));
        init => Raw = Raw.With(31, 16, BinaryPrimitives.ReverseEndianness(value));
    }
}
