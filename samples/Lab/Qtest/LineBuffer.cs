namespace Dma.Lab;

/// <summary>Bytes as they arrive, in pieces of any size, and the lines that they make.</summary>
/// <param name="lineMax">The longest line in bytes, its end included.</param>
internal sealed class LineBuffer(int lineMax)
{
    private const int SmallBytes = 64 * 1024;

    private byte[] _bytes = new byte[Math.Min(SmallBytes, lineMax)];
    private int _start;
    private int _end;

    // Up to here there is no end of a line, so that a long line is searched once.
    private int _searched;

    /// <summary>Whether a line has begun that is longer than one may be.</summary>
    public bool IsOverrun => _start == 0 && _end == lineMax && _searched == _end;

    /// <summary>Room for more bytes; empty only where the line is too long, or whole lines wait.</summary>
    public Memory<byte> Room()
    {
        if (_start == _end)
        {
            _start = _end = _searched = 0;
            if (_bytes.Length > SmallBytes)
                _bytes = new byte[SmallBytes];
        }
        else if (_end == _bytes.Length && _start != 0)
        {
            _bytes.AsSpan(_start.._end).CopyTo(_bytes);
            (_end, _searched, _start) = (_end - _start, _searched - _start, 0);
        }

        if (_end == _bytes.Length)
            Array.Resize(ref _bytes, (int)Math.Min(lineMax, 2L * _bytes.Length));
        return _bytes.AsMemory(_end);
    }

    /// <summary>Says how many bytes were put into the room.</summary>
    public void Advance(int count) => _end += count;

    /// <summary>Takes the next whole line, without its end; it holds until the next call of <see cref="Room"/>.</summary>
    public bool TryTake(out ReadOnlySpan<byte> line)
    {
        int length = _bytes.AsSpan(_searched.._end).IndexOf((byte)'\n');
        if (length < 0)
        {
            _searched = _end;
            line = default;
            return false;
        }

        int end = _searched + length;
        line = _bytes.AsSpan(_start..end);
        if (line.EndsWith("\r"u8))
            line = line[..^1];
        _start = _searched = end + 1;
        return true;
    }
}
