using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>RESPONSE: how a task management function went, or what was wrong with a unit (USB attached SCSI, information units).</summary>
/// <remarks>Byte n of the standard is bits 8n+7:8n; fields of several bytes are big-endian.</remarks>
/// <param name="Raw">All bits.</param>
public readonly record struct ResponseUnit(Bits64 Raw)
{
    /// <summary>Bytes in a unit.</summary>
    public const int Size = 8;

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

    /// <summary>Bits 63:56, RESPONSE CODE.</summary>
    public ResponseCode Code
    {
        get => (ResponseCode)Raw.Bits(63, 56);
        init => Raw = Raw.With(63, 56, (ulong)value);
    }
}
