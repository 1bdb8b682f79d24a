namespace Dma.UsbDevice;

/// <summary>Bytes that wait in order, as many as there is room for.</summary>
/// <param name="capacity">The room, in bytes.</param>
internal sealed class ByteQueue(int capacity)
{
    private readonly byte[] _bytes = new byte[capacity];
    private int _first;

    /// <summary>Bytes that wait.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes that may follow.</summary>
    public int Room => capacity - Count;

    /// <summary>Appends bytes, at most <see cref="Room"/>.</summary>
    public void Append(ReadOnlySpan<byte> source)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(source.Length, Room);
        int at = (_first + Count) % capacity;
        int head = Math.Min(source.Length, capacity - at);
        source[..head].CopyTo(_bytes.AsSpan(at));
        source[head..].CopyTo(_bytes);
        Count += source.Length;
    }

    /// <summary>Copies the first bytes, at most <see cref="Count"/>; they stay.</summary>
    public void Peek(Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, Count);
        int head = Math.Min(destination.Length, capacity - _first);
        _bytes.AsSpan(_first, head).CopyTo(destination);
        _bytes.AsSpan(0, destination.Length - head).CopyTo(destination[head..]);
    }

    /// <summary>Drops the first bytes, at most <see cref="Count"/>.</summary>
    public void Skip(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Count);
        _first = (_first + count) % capacity;
        Count -= count;
    }

    /// <summary>Drops all.</summary>
    public void Clear() => (_first, Count) = (0, 0);
}
