using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>TASK MANAGEMENT: something about commands that were sent before (USB attached SCSI, information units).</summary>
/// <remarks>Byte n of the standard is bits 8n+7:8n; fields of several bytes are big-endian.</remarks>
/// <param name="Raw">All bits.</param>
public readonly record struct TaskManagementUnit(Bits128 Raw)
{
    /// <summary>Bytes in a unit.</summary>
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

    /// <summary>Bits 39:32, TASK MANAGEMENT FUNCTION.</summary>
    public TaskFunction Function
    {
        get => (TaskFunction)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, (ulong)value);
    }

    /// <summary>Bits 63:48, TAG OF TASK TO BE MANAGED.</summary>
    public ushort TaskTag
    {
        get => BinaryPrimitives.ReverseEndianness((ushort)Raw.Bits(63, 48));
        init => Raw = Raw.With(63, 48, BinaryPrimitives.ReverseEndianness(value));
    }

    /// <summary>Bits 127:64, LOGICAL UNIT NUMBER.</summary>
    public ulong LogicalUnit
    {
        get => BinaryPrimitives.ReverseEndianness(Raw.Bits(127, 64));
        init => Raw = Raw.With(127, 64, BinaryPrimitives.ReverseEndianness(value));
    }
}
