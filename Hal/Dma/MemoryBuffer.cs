using System.Buffers.Binary;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>A stretch of the software's own memory, contiguous in the addresses that it sees.</summary>
/// <remarks>An access outside the buffer is the driver's bug and throws; the device never goes this way.</remarks>
/// <param name="cpu">The processor through which it is read and written.</param>
/// <param name="address">The first byte.</param>
/// <param name="length">Bytes.</param>
public sealed class MemoryBuffer(ICpu cpu, GuestPhysicalAddress address, int length)
{
    /// <summary>The first byte.</summary>
    public GuestPhysicalAddress Address => address;

    /// <summary>Bytes.</summary>
    public int Length => length;

    /// <summary>A part of the buffer, as a buffer of its own; the memory stays that of the whole.</summary>
    /// <param name="offset">Where it begins.</param>
    /// <param name="count">Bytes, at least 1.</param>
    public MemoryBuffer Slice(int offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Check(offset, count);
        return new(cpu, address + (ulong)offset, count);
    }

    /// <summary>Copies bytes out.</summary>
    public void Read(int offset, Span<byte> destination)
    {
        Check(offset, destination.Length);
        if (!cpu.TryRead(address + (ulong)offset, destination))
            throw new InvalidOperationException($"The buffer at {address} is no memory.");
    }

    /// <summary>Copies bytes in.</summary>
    public void Write(int offset, ReadOnlySpan<byte> source)
    {
        Check(offset, source.Length);
        if (!cpu.TryWrite(address + (ulong)offset, source))
            throw new InvalidOperationException($"The buffer at {address} is no memory.");
    }

    /// <summary>Fills bytes with zeros.</summary>
    public void Clear(int offset, int count)
    {
        Span<byte> zeros = stackalloc byte[1024];
        for (int done = 0; done < count;)
        {
            int step = Math.Min(count - done, zeros.Length);
            Write(offset + done, zeros[..step]);
            done += step;
        }
    }

    /// <summary>Reads a doubleword.</summary>
    public uint Read32(int offset)
    {
        Span<byte> bytes = stackalloc byte[4];
        Read(offset, bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    /// <summary>Writes a doubleword.</summary>
    public void Write32(int offset, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        Write(offset, bytes);
    }

    private void Check(int offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, length - offset);
    }
}
