namespace Dma.Hal;

/// <summary>What changed in the tables of a domain since its unit was last told.</summary>
internal sealed class TableChange
{
    private ulong _guardFirst = ulong.MaxValue;
    private ulong _guardEnd;

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
        Guard(other._guardFirst, other._guardEnd);
        LeafOnly &= other.LeafOnly;
    }

    /// <summary>Whether something new in a range could be reached through what the unit may still have cached.</summary>
    public bool Touches(ulong first, ulong end) => first < _guardEnd && _guardFirst < end;

    /// <summary>The unit knows.</summary>
    public void Clear()
    {
        First = _guardFirst = ulong.MaxValue;
        End = _guardEnd = 0;
        LeafOnly = true;
    }

    private void Guard(ulong first, ulong end)
    {
        _guardFirst = Math.Min(_guardFirst, first);
        _guardEnd = Math.Max(_guardEnd, end);
    }
}
