using System.Numerics;

namespace Dma.UsbDevice;

/// <summary>The register sets with asynchronous work in a microframe, and whose turn it is; after the last one comes the first.</summary>
/// <param name="sets">All register sets, by number; 64 at most, a bit for each.</param>
internal sealed class AsyncTurns(EhciRegisterSet[] sets)
{
    private const int Nobody = 64;

    private ulong _members;
    private int _turnOf = Nobody;

    /// <summary>How turns are shared out.</summary>
    public TurnPolicy Policy { get; set; } = new SequentialTurns();

    /// <summary>Whether anybody has work.</summary>
    public bool HasTurn => _members != 0;

    /// <summary>Whose turn it is, while anybody has work.</summary>
    public int Current { get; private set; }

    /// <summary>The time begins: the set whose turn it was goes on, where it has work; else the next one.</summary>
    /// <param name="members">The sets that have work, a bit for each.</param>
    public void Begin(ulong members)
    {
        _members = members;
        if (members == 0)
            return;
        Current = From(Policy.BeginsWithFirst ? 0 : _turnOf);
        if (Current != _turnOf)
            Enter(Current);
    }

    /// <summary>The set whose turn it is has used time.</summary>
    public void Visited(uint spentNs)
    {
        if (Policy.IsOver(sets[Current], spentNs))
            Enter(From(Current + 1));
    }

    /// <summary>The set whose turn it is has no more work in this microframe.</summary>
    public void Leave()
    {
        Policy.Left(sets[Current]);
        _members &= ~(1ul << Current);

        // Where nobody is left, the turn of the next microframe is that of whoever comes after it.
        if (_members == 0)
            _turnOf = Current + 1;
        else
            Enter(From(Current + 1));
    }

    // A set that used more than its share before lets others go first until that is made up for.
    private void Enter(int set)
    {
        while (!Policy.Begin(sets[set]))
            set = From(set + 1);
        (Current, _turnOf) = (set, set);
    }

    private int From(int set)
    {
        ulong above = set < Nobody ? _members & (ulong.MaxValue << set) : 0;
        return BitOperations.TrailingZeroCount(above != 0 ? above : _members);
    }
}
