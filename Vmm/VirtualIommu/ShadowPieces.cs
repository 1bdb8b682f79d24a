namespace Dma.Vmm;

/// <summary>The pieces that a shadow domain is made of, in the order of their addresses.</summary>
internal sealed class ShadowPieces
{
    private readonly SortedSet<ShadowPiece> _pieces = new(Comparer<ShadowPiece>.Create((one, other) => one.First.CompareTo(other.First)));

    /// <summary>How many there are.</summary>
    public int Count => _pieces.Count;

    /// <summary>The range that a change of some addresses concerns: whole pages of the guest's tables.</summary>
    public (ulong First, ulong End) Widen(ulong first, ulong end)
    {
        (ulong widerFirst, ulong widerEnd) = (first, end);
        if (At(first) is { } begins)
            widerFirst = first & ~(begins.PageBytes - 1);
        if (At(end - 1) is { } ends)
            widerEnd = ((end - 1) | (ends.PageBytes - 1)) + 1;
        return (widerFirst, widerEnd);
    }

    /// <summary>Takes out what lies in a range; pieces that cross its ends are cut there, and their other parts stay.</summary>
    public IReadOnlyList<ShadowPiece> Take(ulong first, ulong end)
    {
        List<ShadowPiece> taken = [];
        if (At(first) is { } crossing && crossing.First < first)
        {
            _ = _pieces.Remove(crossing);
            _ = _pieces.Add(crossing.Before(first));
            _ = _pieces.Add(crossing.From(first));
        }

        foreach (ShadowPiece piece in _pieces.GetViewBetween(Key(first), Key(end - 1)))
            taken.Add(piece);
        foreach (ShadowPiece piece in taken)
            _ = _pieces.Remove(piece);
        if (taken.Count != 0 && taken[^1].End > end)
        {
            _ = _pieces.Add(taken[^1].From(end));
            taken[^1] = taken[^1].Before(end);
        }

        return taken;
    }

    /// <summary>Puts pieces where nothing is.</summary>
    public void Put(IEnumerable<ShadowPiece> pieces)
    {
        foreach (ShadowPiece piece in pieces)
            _ = _pieces.Add(piece);
    }

    private static ShadowPiece Key(ulong address) => new(address, 0, default, default, 0);

    private ShadowPiece? At(ulong address)
    {
        SortedSet<ShadowPiece> before = _pieces.GetViewBetween(Key(0), Key(address));
        ShadowPiece last = before.Max;
        return last.Length != 0 && address < last.End ? last : null;
    }
}
