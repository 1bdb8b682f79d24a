using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>A disk with one block that can neither be read nor written.</summary>
internal sealed class BadBlockImage(IDiskImage inner, ulong badBlock, int blockLength = 512) : IDiskImage
{
    public ulong Length => inner.Length;

    public bool IsReadOnly => inner.IsReadOnly;

    public bool TryRead(ulong offset, Span<byte> destination) =>
        !Touches(offset, destination.Length) && inner.TryRead(offset, destination);

    public bool TryWrite(ulong offset, ReadOnlySpan<byte> source) =>
        !Touches(offset, source.Length) && inner.TryWrite(offset, source);

    public bool TryFlush() => inner.TryFlush();

    private bool Touches(ulong offset, int length)
    {
        ulong bad = badBlock * (ulong)blockLength;
        return offset < bad + (ulong)blockLength && bad < offset + (ulong)length;
    }
}
