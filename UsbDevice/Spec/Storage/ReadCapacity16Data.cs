using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What READ CAPACITY (16) returns, 32 bytes (SBC, READ CAPACITY (16) parameter data).</summary>
/// <remarks>Byte n of the standard is bits 8n+7:8n; fields of several bytes are big-endian.</remarks>
/// <param name="Raw">The bytes, first byte in bits 7:0.</param>
public readonly record struct ReadCapacity16Data(Bits256 Raw)
{
    /// <summary>Bytes of data.</summary>
    public const int Size = 32;

    /// <summary>Bits 63:0, the last logical block.</summary>
    public ulong LastLogicalBlock
    {
        get => BinaryPrimitives.ReverseEndianness(Raw.Bits(63, 0));
        init => Raw = Raw.With(63, 0, BinaryPrimitives.ReverseEndianness(value));
    }

    /// <summary>Bits 95:64, bytes in a block.</summary>
    public uint BlockLength
    {
        get => BinaryPrimitives.ReverseEndianness((uint)Raw.Bits(95, 64));
        init => Raw = Raw.With(95, 64, BinaryPrimitives.ReverseEndianness(value));
    }
}
