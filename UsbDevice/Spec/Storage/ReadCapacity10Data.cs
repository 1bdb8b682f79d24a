using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What READ CAPACITY (10) returns, 8 bytes (SBC, READ CAPACITY (10) parameter data).</summary>
/// <remarks>Byte n of the standard is bits 8n+7:8n; fields of several bytes are big-endian.</remarks>
/// <param name="Raw">The bytes, first byte in bits 7:0.</param>
public readonly record struct ReadCapacity10Data(Bits64 Raw)
{
    /// <summary>Bytes of data.</summary>
    public const int Size = 8;

    /// <summary>Bits 31:0, the last logical block; FFFFFFFFh where it needs more than 32 bits.</summary>
    public uint LastLogicalBlock
    {
        get => BinaryPrimitives.ReverseEndianness((uint)Raw.Bits(31, 0));
        init => Raw = Raw.With(31, 0, BinaryPrimitives.ReverseEndianness(value));
    }

    /// <summary>Bits 63:32, bytes in a block.</summary>
    public uint BlockLength
    {
        get => BinaryPrimitives.ReverseEndianness((uint)Raw.Bits(63, 32));
        init => Raw = Raw.With(63, 32, BinaryPrimitives.ReverseEndianness(value));
    }
}
