using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>COMMAND: a SCSI command (USB attached SCSI, information units).</summary>
/// <remarks>Byte n of the standard is bits 8n+7:8n; fields of several bytes are big-endian.</remarks>
/// <param name="Raw">All bits.</param>
public readonly record struct CommandUnit(Bits256 Raw)
{
    /// <summary>Bytes in a unit without additional bytes of the command.</summary>
    public const int Size = 32;

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

    /// <summary>Bits 34:32, TASK ATTRIBUTE.</summary>
    public TaskAttribute Attribute
    {
        get => (TaskAttribute)Raw.Bits(34, 32);
        init => Raw = Raw.With(34, 32, (ulong)value);
    }

    /// <summary>Bits 38:35, COMMAND PRIORITY.</summary>
    public int Priority
    {
        get => (int)Raw.Bits(38, 35);
        init => Raw = Raw.With(38, 35, (ulong)value);
    }

    /// <summary>Bits 55:50, ADDITIONAL CDB LENGTH, in units of 4 bytes, which follow the unit.</summary>
    public int AdditionalLength
    {
        get => (int)Raw.Bits(55, 50);
        init => Raw = Raw.With(55, 50, (ulong)value);
    }

    /// <summary>Bits 127:64, LOGICAL UNIT NUMBER; 0 for the first.</summary>
    public ulong LogicalUnit
    {
        get => BinaryPrimitives.ReverseEndianness(Raw.Bits(127, 64));
        init => Raw = Raw.With(127, 64, BinaryPrimitives.ReverseEndianness(value));
    }

    /// <summary>Bits 255:128, CDB, the first 16 bytes.</summary>
    public CommandBlock Command
    {
        get => new(new Bits128(Raw.Bits(191, 128), Raw.Bits(255, 192)));
        init => Raw = Raw.With(191, 128, value.Raw.Word0).With(255, 192, value.Raw.Word1);
    }
}
