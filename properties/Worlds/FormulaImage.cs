using System.Buffers.Binary;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>A disk of any size whose every quadword is its own offset; it takes no room.</summary>
internal sealed class FormulaImage(ulong length) : IDiskImage
{
    public ulong Length => length;

    public bool IsReadOnly => true;

    public bool TryRead(ulong offset, Span<byte> destination)
    {
        if (offset > length || (ulong)destination.Length > length - offset || ((offset | (uint)destination.Length) & 7) != 0)
            return false;
        for (int at = 0; at < destination.Length; at += 8)
            BinaryPrimitives.WriteUInt64LittleEndian(destination[at..], offset + (ulong)at);
        return true;
    }

    public bool TryWrite(ulong offset, ReadOnlySpan<byte> source) => false;

    public bool TryFlush() => true;
}
