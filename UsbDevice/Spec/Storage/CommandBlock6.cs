using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A SCSI command of six bytes (SPC, command descriptor block).</summary>
/// <remarks>Byte n of the standard is bits 8n+7:8n; fields of several bytes are big-endian.</remarks>
/// <param name="Raw">The bytes, first byte in bits 7:0.</param>
public readonly record struct CommandBlock6(Bits128 Raw)
{
    /// <summary>Bits 7:0, OPERATION CODE.</summary>
    public ScsiOperation Operation
    {
        get => (ScsiOperation)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (ulong)value);
    }

    /// <summary>Bits 12:8, 23:16 and 31:24, most significant first, LOGICAL BLOCK ADDRESS, 21 bits; in other commands the same bytes mean other things.</summary>
    public uint LogicalBlock
    {
        get => BinaryPrimitives.ReverseEndianness((uint)Raw.Bits(31, 8) << 8) & 0x1F_FFFF;
        init => Raw = Raw.With(12, 8, value >> 16).With(31, 16, BinaryPrimitives.ReverseEndianness((ushort)value));
    }

    /// <summary>Bits 39:32, TRANSFER LENGTH or ALLOCATION LENGTH; READ and WRITE move 256 blocks for 0.</summary>
    public byte Length
    {
        get => (byte)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, value);
    }

    /// <summary>Bits 47:40, CONTROL.</summary>
    public byte Control
    {
        get => (byte)Raw.Bits(47, 40);
        init => Raw = Raw.With(47, 40, value);
    }

    /// <summary>Bits 127:0, the same bytes as a command of any kind.</summary>
    public CommandBlock Block
    {
        get => new(Raw);
        init => Raw = value.Raw;
    }
}
