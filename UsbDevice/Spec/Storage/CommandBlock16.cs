using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A SCSI command of sixteen bytes (SPC, command descriptor block).</summary>
/// <remarks>Byte n of the standard is bits 8n+7:8n; fields of several bytes are big-endian.</remarks>
/// <param name="Raw">The bytes, first byte in bits 7:0.</param>
public readonly record struct CommandBlock16(Bits128 Raw)
{
    /// <summary>Bits 7:0, OPERATION CODE.</summary>
    public ScsiOperation Operation
    {
        get => (ScsiOperation)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (ulong)value);
    }

    /// <summary>Bits 15:8, options of the command, or its service action in bits 4:0.</summary>
    public byte Options
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }

    /// <summary>Bits 79:16, LOGICAL BLOCK ADDRESS.</summary>
    public ulong LogicalBlock
    {
        get => BinaryPrimitives.ReverseEndianness(Raw.Bits(79, 16));
        init => Raw = Raw.With(79, 16, BinaryPrimitives.ReverseEndianness(value));
    }

    /// <summary>Bits 111:80, TRANSFER LENGTH or ALLOCATION LENGTH.</summary>
    public uint Length
    {
        get => BinaryPrimitives.ReverseEndianness((uint)Raw.Bits(111, 80));
        init => Raw = Raw.With(111, 80, BinaryPrimitives.ReverseEndianness(value));
    }

    /// <summary>Bits 127:120, CONTROL.</summary>
    public byte Control
    {
        get => (byte)Raw.Bits(127, 120);
        init => Raw = Raw.With(127, 120, value);
    }

    /// <summary>Bits 127:0, the same bytes as a command of any kind.</summary>
    public CommandBlock Block
    {
        get => new(Raw);
        init => Raw = value.Raw;
    }
}
