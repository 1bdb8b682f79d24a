namespace Dma.Machine;

/// <summary>Reads a stream from its beginning to its end, with a look ahead at what comes next.</summary>
internal sealed class ForwardReader(Stream stream) : IDisposable
{
    private readonly byte[] _ahead = new byte[16];
    private int _aheadCount;

    /// <summary>Called after each read.</summary>
    public Action? Progress { get; init; }

    /// <summary>How many bytes were read.</summary>
    public ulong Position { get; private set; }

    public void Dispose() => stream.Dispose();

    /// <summary>What comes next, at most 16 bytes, without reading it; fewer at the end.</summary>
    public ReadOnlySpan<byte> Peek(int count)
    {
        _aheadCount += stream.ReadAtLeast(_ahead.AsSpan(_aheadCount), Math.Max(0, count - _aheadCount), throwOnEndOfStream: false);
        return _ahead.AsSpan(0, Math.Min(count, _aheadCount));
    }

    /// <summary>Reads as much as there is, to the length of the destination; how much that was.</summary>
    public int ReadUpTo(Span<byte> destination)
    {
        int fromAhead = Math.Min(destination.Length, _aheadCount);
        _ahead.AsSpan(0, fromAhead).CopyTo(destination);
        _ahead.AsSpan(fromAhead, _aheadCount - fromAhead).CopyTo(_ahead);
        _aheadCount -= fromAhead;
        int count = fromAhead + stream.ReadAtLeast(destination[fromAhead..], destination.Length - fromAhead, throwOnEndOfStream: false);
        Position += (ulong)count;
        Progress?.Invoke();
        return count;
    }

    /// <summary>Reads exactly as much as the destination holds.</summary>
    /// <exception cref="InvalidDataException">There is less.</exception>
    public void ReadExactly(Span<byte> destination)
    {
        if (ReadUpTo(destination) != destination.Length)
            throw new InvalidDataException("it is cut off");
    }

    /// <summary>Reads past everything before a position.</summary>
    /// <exception cref="InvalidDataException">The position was passed before, or there is less.</exception>
    public void SkipTo(ulong position)
    {
        if (position < Position)
            throw new InvalidDataException("its segments overlap in the file");
        Span<byte> buffer = stackalloc byte[4096];
        while (Position < position)
            ReadExactly(buffer[..(int)Math.Min((ulong)buffer.Length, position - Position)]);
    }
}
