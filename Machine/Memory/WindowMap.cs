namespace Dma.Machine;

/// <summary>Windows in an address space, which may overlap, and a search for the one that answers at an address.</summary>
/// <remarks>
/// A change marks the map; the next search cuts the windows into segments that do not overlap and sorts them. So a
/// thousand devices cost ten comparisons an access, and setting them all up costs one sort.
/// </remarks>
internal sealed class WindowMap
{
    private readonly List<Window> _windows = [];
    private Segment[] _segments = [];
    private bool _isStale;
    private ulong _sequence;

    /// <summary>Adds a window. Where windows overlap, chipset windows come before others and earlier ones before later ones.</summary>
    public void Add(ulong start, ulong length, IMmioDevice device, WindowOrder order)
    {
        ArgumentOutOfRangeException.ThrowIfZero(length);
        _windows.Add(new(start, checked(start + (length - 1)), device, order, _sequence++));
        _isStale = true;
    }

    /// <summary>Takes back the windows of a device that begin at an address.</summary>
    public void Remove(ulong start, IMmioDevice device) =>
        _isStale |= _windows.RemoveAll(window => window.First == start && window.Device == device) != 0;

    /// <summary>Finds who answers for all bytes of an access.</summary>
    /// <param name="address">The first byte.</param>
    /// <param name="width">Bytes.</param>
    /// <param name="window">Who answers.</param>
    public bool TryFind(ulong address, int width, out Window window)
    {
        if (_isStale)
            Cut();
        int low = 0;
        int high = _segments.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_segments[middle].Last < address)
                low = middle + 1;
            else
                high = middle;
        }

        bool found = low < _segments.Length && _segments[low].First <= address && _segments[low].Last - address >= (ulong)(width - 1);
        window = found ? _segments[low].Window : default;
        return found;
    }

    // Between two neighbouring edges the same windows are open, and the first of them in order answers.
    private void Cut()
    {
        _isStale = false;
        List<Window> byStart = [.. _windows.OrderBy(window => window.First)];
        PriorityQueue<Window, (WindowOrder, ulong)> open = new();
        List<Segment> segments = [];
        int next = 0;
        ulong at = 0;
        while (next < byStart.Count || open.Count != 0)
        {
            if (open.Count == 0)
                at = byStart[next].First;
            for (; next < byStart.Count && byStart[next].First <= at; next++)
                open.Enqueue(byStart[next], (byStart[next].Order, byStart[next].Sequence));
            Window window = open.Peek();
            if (window.Last < at)
            {
                _ = open.Dequeue();
                continue;
            }

            // It answers until it ends, or until a window begins that comes before it.
            Window? interrupter = null;
            for (int later = next; later < byStart.Count && byStart[later].First <= window.Last && interrupter is null; later++)
            {
                if ((byStart[later].Order, byStart[later].Sequence).CompareTo((window.Order, window.Sequence)) < 0)
                    interrupter = byStart[later];
            }

            ulong last = interrupter is { } other ? other.First - 1 : window.Last;
            segments.Add(new(at, last, window));
            if (last == ulong.MaxValue)
                break;
            at = last + 1;
        }

        _segments = [.. segments];
    }

    /// <summary>A window: first and last address, who answers, and what it gives way to.</summary>
    public readonly record struct Window(ulong First, ulong Last, IMmioDevice Device, WindowOrder Order, ulong Sequence);

    private readonly record struct Segment(ulong First, ulong Last, Window Window);
}
