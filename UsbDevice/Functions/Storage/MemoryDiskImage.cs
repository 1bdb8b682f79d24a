namespace Dma.UsbDevice;

/// <summary>A disk in an array.</summary>
/// <param name="content">The bytes; the array itself is the disk, not a copy.</param>
/// <param name="isWritable">Whether it may be written.</param>
public sealed class MemoryDiskImage(byte[] content, bool isWritable = false) : IDiskImage
{
    /// <inheritdoc/>
    public ulong Length => (ulong)content.Length;

    /// <inheritdoc/>
    public bool IsReadOnly => !isWritable;

    /// <inheritdoc/>
    public bool TryRead(ulong offset, Span<byte> destination)
    {
        if (!Contains(offset, destination.Length))
            return false;
        content.AsSpan((int)offset, destination.Length).CopyTo(destination);
        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong offset, ReadOnlySpan<byte> source)
    {
        if (!isWritable || !Contains(offset, source.Length))
            return false;
        source.CopyTo(content.AsSpan((int)offset));
        return true;
    }

    /// <inheritdoc/>
    public bool TryFlush() => true;

    private bool Contains(ulong offset, int length) => offset <= Length && (ulong)length <= Length - offset;
}
