namespace Dma.Hal;

/// <summary>What changed in the tables of a domain since its unit was last told.</summary>
internal sealed class TableChange
{
    private const int GuardedMax = 8;

    // Few ranges, not one: what is unmapped here and there leaves room between, where something new needs no invalidation before.
    private readonly (ulong First, ulong End)[] _guarded = new (ulong, ulong)[GuardedMax];
    private int _guardedCount;

    /// <summary>Whether nothing changed.</summary>
    public bool IsEmpty => First >= End;

    /// <summary>The lowest address whose translation changed.</summary>
    public ulong First { get; private set; } = ulong.MaxValue;

    /// <summary>The end of the range in which translations changed.</summary>
    public ulong End { get; private set; }

    /// <summary>Whether only leaf entries changed.</summary>
    public bool LeafOnly { get; private set; } = true;

    /// <summary>Translations of a range changed.</summary>
    public void Include(ulong first, ulong end)
    {
        First = Math.Min(First, first);
        End = Math.Max(End, end);
        Guard(first, end);
    }

    /// <summary>A table appeared or went; it translates a range.</summary>
    public void IncludeTable(ulong first, ulong end)
    {
        LeafOnly = false;
        Guard(first, end);
    }

    /// <summary>All that another one knows of changed too.</summary>
    public void Include(TableChange other)
    {
        if (other.IsEmpty)
            return;
        Include(other.First, other.End);
        foreach ((ulong first, ulong end) in other._guarded.AsSpan(0, other._guardedCount))
            Guard(first, end);
        LeafOnly &= other.LeafOnly;
    }

    /// <summary>Whether something new in a range could be reached through what the unit may still have cached.</summary>
    public bool Touches(ulong first, ulong end)
    {
        foreach ((ulong guardedFirst, ulong guardedEnd) in _guarded.AsSpan(0, _guardedCount))
        {
            if (first < guardedEnd && guardedFirst < end)
                return true;
        }

        return false;
    }

    /// <summary>The unit knows.</summary>
    public void Clear()
    {
        (First, End, _guardedCount) = (ulong.MaxValue, 0, 0);
        LeafOnly = true;
    }

    // Together with a neighbour where there is one, and with any where there is no room left: too much is guarded then, never too little.
    private void Guard(ulong first, ulong end)
    {
        foreach (ref (ulong First, ulong End) range in _guarded.AsSpan(0, _guardedCount))
        {
            if (first > range.End || end < range.First)
                continue;
            range = (Math.Min(range.First, first), Math.Max(range.End, end));
            return;
        }

        if (_guardedCount < GuardedMax)
            _guarded[_guardedCount++] = (first, end);
        else
            _guarded[^1] = (Math.Min(_guarded[^1].First, first), Math.Max(_guarded[^1].End, end));
    }
}
