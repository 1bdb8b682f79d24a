using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A SCSI command of ten bytes (SPC, command descriptor block).</summary>
/// <remarks>Byte n of the standard is bits 8n+7:8n; fields of several bytes are big-endian.</remarks>
/// <param name="Raw">The bytes, first byte in bits 7:0.</param>
public readonly record struct CommandBlock10(Bits128 Raw)
{
    /// <summary>Bits 7:0, OPERATION CODE.</summary>
    public ScsiOperation Operation
    {
        get => (ScsiOperation)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (ulong)value);
    }

    /// <summary>Bits 15:8, options of the command.</summary>
    public byte Options
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }

    /// <summary>Bits 47:16, LOGICAL BLOCK ADDRESS.</summary>
    public uint LogicalBlock
    {
        get => BinaryPrimitives.ReverseEndianness((uint)Raw.Bits(47, 16));
        init => Raw = Raw.With(47, 16, BinaryPrimitives.ReverseEndianness(value));
    }

    /// <summary>Bits 55:48, group number and reserved bits.</summary>
    public byte Group
    {
        get => (byte)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, value);
    }

    /// <summary>Bits 71:56, TRANSFER LENGTH or ALLOCATION LENGTH.</summary>
    public ushort Length
    {
        get => BinaryPrimitives.ReverseEndianness((ushort)Raw.Bits(71, 56));
        init => Raw = Raw.With(71, 56, BinaryPrimitives.ReverseEndianness(value));
    }

    /// <summary>Bits 79:72, CONTROL.</summary>
    public byte Control
    {
        get => (byte)Raw.Bits(79, 72);
        init => Raw = Raw.With(79, 72, value);
    }

    /// <summary>Bits 127:0, the same bytes as a command of any kind.</summary>
    public CommandBlock Block
    {
        get => new(Raw);
        init => Raw = value.Raw;
    }
}
