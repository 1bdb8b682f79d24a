namespace Dma.Hal;

/// <summary>Registers whose writes go through a <see cref="WriteRing"/>: in order, each one, and without an exit.</summary>
/// <remarks>
/// Reads come from memory, and are as old as a poll period at most. Only a read of a register that was written a moment ago, and a
/// write into a full ring, ask the VMM by an exit to catch up.
/// </remarks>
internal sealed class RingRegisterWindow : IRegisterWindow
{
    private readonly ICpu _cpu;
    private readonly IRegisterWindow _window;
    private readonly ushort _port;
    private readonly (int First, int End)[] _written = new (int, int)[WriteRing.Capacity];
    private uint _head;
    private uint _tail;

    public RingRegisterWindow(ICpu cpu, IRegisterWindow window)
    {
        (_cpu, _window) = (cpu, window);
        _port = (ushort)window.Read32(WriteRing.PortAt);
        _head = window.Read32(WriteRing.HeadAt);
        _tail = window.Read32(WriteRing.TailAt);
    }

    /// <inheritdoc/>
    public ulong Length => _window.Length;

    /// <inheritdoc/>
    public ulong Read(int offset, int width)
    {
        if (IsPending(offset, width))
            CatchUp();
        return _window.Read(offset, width);
    }

    /// <inheritdoc/>
    public void Write(int offset, int width, ulong value)
    {
        if (width is not (1 or 2 or 4 or 8))
            throw new ArgumentOutOfRangeException(nameof(width), "Registers are accessed by 1, 2, 4 or 8 bytes.");
        if (offset < 0 || (ulong)offset + (ulong)width > Length)
            return;
        if (_head - _tail >= WriteRing.Capacity && (_tail = _window.Read32(WriteRing.TailAt)) + WriteRing.Capacity == _head)
            CatchUp();
        int entry = WriteRing.EntryAt(_head);
        _window.Write32(entry, (uint)offset | ((uint)width << 16));
        _window.Write64(entry + 8, value);
        _written[_head % WriteRing.Capacity] = (offset & ~3, offset + width);

        // Stores are seen in their order, so that whoever sees the count sees the entry.
        _window.Write32(WriteRing.HeadAt, ++_head);
    }

    // Whether a write that touches the same doublewords is still in the ring.
    private bool IsPending(int offset, int width)
    {
        if (_head == _tail)
            return false;
        _tail = _window.Read32(WriteRing.TailAt);

        // A tail that makes no sense is that of a device that is gone.
        if (_head - _tail > WriteRing.Capacity)
            _tail = _head;
        for (uint number = _tail; number != _head; number++)
        {
            (int first, int end) = _written[number % WriteRing.Capacity];
            if (first < offset + width && end > (offset & ~3))
                return true;
        }

        return false;
    }

    private void CatchUp()
    {
        _cpu.OutPort(_port, 1, 0);
        _tail = _window.Read32(WriteRing.TailAt);
    }
}
