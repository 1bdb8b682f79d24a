namespace Dma.Lab;

/// <summary>Lets what writes bytes of ASCII write to a text writer, so that long output is never whole in memory.</summary>
/// <param name="writer">Where it goes; it stays open.</param>
internal sealed class AsciiStream(TextWriter writer) : Stream
{
    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public override void Flush() => writer.Flush();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Span<char> text = stackalloc char[256];
        for (; !buffer.IsEmpty; buffer = buffer[Math.Min(text.Length, buffer.Length)..])
        {
            Span<char> part = text[..Math.Min(text.Length, buffer.Length)];
            for (int index = 0; index < part.Length; index++)
                part[index] = (char)buffer[index];
            writer.Write(part);
        }
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();
}
