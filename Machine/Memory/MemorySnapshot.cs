namespace Dma.Machine;

/// <summary>What some ranges of memory held at one moment, byte for byte, to be compared with what they hold later.</summary>
/// <remarks>
/// It keeps a copy of each page that is not all zeros. Neither taking it nor comparing touches a page that was never
/// written, so sparse ranges of any size are cheap, and every byte is compared all the same: a page that was never
/// written is zeros, on both sides.
/// </remarks>
public sealed class MemorySnapshot
{
    private const int PageBytes = 4096;

    private readonly List<Range> _ranges = [];
    private readonly Dictionary<ulong, byte[]> _pages = [];

    /// <summary>Copies ranges of a memory.</summary>
    /// <param name="memory">The memory.</param>
    /// <param name="ranges">Whole 4 KiB pages; what is not backed counts as zeros.</param>
    public MemorySnapshot(PhysicalMemory memory, IEnumerable<(PhysicalAddress Start, ulong Length)> ranges)
    {
        foreach ((PhysicalAddress start, ulong length) in ranges)
        {
            if (((start.Value | length) & (PageBytes - 1)) != 0)
                throw new ArgumentException("A snapshot is made of whole 4 KiB pages.");
            Range range = new(start, length, []);
            foreach (ulong page in Pages(memory, start, length))
            {
                byte[] content = new byte[PageBytes];
                if (!memory.TryRead(new(page), content) || !content.AsSpan().ContainsAnyExcept((byte)0))
                    continue;
                _pages[page] = content;
                range.Copied.Add(page);
            }

            _ranges.Add(range);
        }
    }

    /// <summary>Copies all extents of a memory.</summary>
    public MemorySnapshot(PhysicalMemory memory)
        : this(memory, memory.Extents)
    {
    }

    /// <summary>Bytes that the copy takes.</summary>
    public ulong CopiedBytes => (ulong)_pages.Count * PageBytes;

    /// <summary>The runs of bytes that differ now, in the order of the ranges and then of addresses; a run ends with its page.</summary>
    /// <param name="memory">The memory of which the snapshot was taken.</param>
    public IEnumerable<(PhysicalAddress Start, int Length)> Changes(PhysicalMemory memory)
    {
        byte[] zeros = new byte[PageBytes];
        byte[] now = new byte[PageBytes];
        foreach (Range range in _ranges)
        {
            // A page can differ only if it was copied then or holds something now.
            foreach (ulong page in Union(range.Copied, Pages(memory, range.Start, range.Length)))
            {
                if (!memory.TryRead(new(page), now))
                    now.AsSpan().Clear();
                byte[] then = _pages.GetValueOrDefault(page, zeros);
                for (int at = 0; NextRun(then, now, at, out int first, out int count); at = first + count)
                    yield return (new(page + (ulong)first), count);
            }
        }
    }

    /// <summary>How many bytes differ now.</summary>
    /// <param name="memory">The memory of which the snapshot was taken.</param>
    /// <param name="mayChange">Which bytes do not count; null where all do.</param>
    public ulong CountChangedBytes(PhysicalMemory memory, Func<PhysicalAddress, bool>? mayChange = null)
    {
        ulong changed = 0;
        foreach ((PhysicalAddress start, int length) in Changes(memory))
        {
            if (mayChange is null)
            {
                changed += (ulong)length;
                continue;
            }

            for (int at = 0; at < length; at++)
                changed += mayChange(start + (ulong)at) ? 0ul : 1;
        }

        return changed;
    }

    private static IEnumerable<ulong> Pages(PhysicalMemory memory, PhysicalAddress start, ulong length)
    {
        foreach ((PhysicalAddress run, ulong runLength) in memory.Populated(start, length))
        {
            for (ulong done = 0; done < runLength; done += PageBytes)
                yield return run.Value + done;
        }
    }

    // Two ascending sequences as one, without what is in both twice.
    private static IEnumerable<ulong> Union(List<ulong> left, IEnumerable<ulong> right)
    {
        int at = 0;
        foreach (ulong value in right)
        {
            for (; at < left.Count && left[at] <= value; at++)
            {
                if (left[at] < value)
                    yield return left[at];
            }

            yield return value;
        }

        for (; at < left.Count; at++)
            yield return left[at];
    }

    private static bool NextRun(ReadOnlySpan<byte> then, ReadOnlySpan<byte> now, int from, out int first, out int count)
    {
        first = from + then[from..].CommonPrefixLength(now[from..]);
        for (count = 0; first + count < PageBytes && then[first + count] != now[first + count];)
            count++;
        return count != 0;
    }

    private sealed record Range(PhysicalAddress Start, ulong Length, List<ulong> Copied);
}
