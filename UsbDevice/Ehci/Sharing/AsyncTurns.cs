namespace Dma.UsbDevice;

/// <summary>The register sets with asynchronous work in a microframe, in a ring, and whose turn it is.</summary>
internal sealed class AsyncTurns
{
    private EhciRegisterSet? _lowest;
    private int _turnOf = -1;

    /// <summary>How turns are shared out.</summary>
    public TurnPolicy Policy { get; set; } = new SequentialTurns();

    /// <summary>Whose turn it is; null where nobody has work.</summary>
    public EhciRegisterSet? Current { get; private set; }

    /// <summary>Nobody has work.</summary>
    public void Clear() => Current = _lowest = null;

    /// <summary>Adds a set behind those with lower numbers.</summary>
    public void Add(EhciRegisterSet set)
    {
        _lowest ??= set;
        EhciRegisterSet last = _lowest.Share.Previous ?? set;
        if (_lowest == set)
            last = set;
        (set.Share.Previous, set.Share.Next) = (last, _lowest);
        (last.Share.Next, _lowest.Share.Previous) = (set, set);
    }

    /// <summary>The time begins: the set whose turn it was goes on, where it has work; else the next one.</summary>
    public void Begin()
    {
        if (_lowest is not { } lowest)
            return;
        EhciRegisterSet first = lowest;
        if (!Policy.BeginsWithFirst)
        {
            for (EhciRegisterSet set = lowest; ; set = set.Share.Next!)
            {
                if (set.Number >= _turnOf)
                {
                    first = set;
                    break;
                }

                if (set.Share.Next == lowest)
                    break;
            }
        }

        Current = first;
        if (first.Number != _turnOf)
            Enter(first);
    }

    /// <summary>The set whose turn it is has used time.</summary>
    public void Visited(uint spentNs)
    {
        EhciRegisterSet set = Current!;
        if (Policy.IsOver(set, spentNs))
            Enter(set.Share.Next!);
    }

    /// <summary>The set whose turn it is has no more work in this microframe.</summary>
    public void Leave()
    {
        EhciRegisterSet set = Current!;
        Policy.Left(set);
        (EhciRegisterSet next, EhciRegisterSet previous) = (set.Share.Next!, set.Share.Previous!);
        if (next == set)
        {
            // The turn of the next microframe is that of whoever comes after it.
            (Current, _turnOf) = (null, set.Number + 1);
            return;
        }

        (previous.Share.Next, next.Share.Previous) = (next, previous);
        Enter(next);
    }

    // A set that used more than its share before lets others go first until that is made up for.
    private void Enter(EhciRegisterSet set)
    {
        while (!Policy.Begin(set))
            set = set.Share.Next!;
        (Current, _turnOf) = (set, set.Number);
    }
}
