namespace Dma.Vmm;

/// <summary>How the pieces of a range have to change.</summary>
internal sealed class ShadowChange
{
    /// <summary>What goes and has no successor.</summary>
    public List<ShadowPiece> Gone { get; } = [];

    /// <summary>What is at addresses where nothing was.</summary>
    public List<ShadowPiece> Come { get; } = [];

    /// <summary>What leads elsewhere, or with other rights.</summary>
    public List<(ShadowPiece Old, ShadowPiece New)> Replaced { get; } = [];

    /// <summary>What stays as it is.</summary>
    public List<ShadowPiece> Kept { get; } = [];

    /// <summary>Compares what is there with what is wanted; both in the order of addresses and without overlaps.</summary>
    public static ShadowChange Between(IReadOnlyList<ShadowPiece> there, IReadOnlyList<ShadowPiece> wanted)
    {
        ShadowChange change = new();
        (int oldNext, int newNext) = (0, 0);
        ShadowPiece? old = Next(there, ref oldNext);
        ShadowPiece? @new = Next(wanted, ref newNext);
        while (old is not null || @new is not null)
        {
            // 1. What only one of them has before the other one begins.
            if (@new is not { } come || (old is { } first && first.First < come.First))
            {
                ShadowPiece gone = old!.Value;
                ulong end = @new is { } next ? Math.Min(gone.End, next.First) : gone.End;
                change.Gone.Add(gone.Before(end));
                old = Rest(gone, end) ?? Next(there, ref oldNext);
                continue;
            }

            if (old is not { } has || come.First < has.First)
            {
                ulong end = old is { } next ? Math.Min(come.End, next.First) : come.End;
                change.Come.Add(come.Before(end));
                @new = Rest(come, end) ?? Next(wanted, ref newNext);
                continue;
            }

            // 2. What both have.
            ulong both = Math.Min(has.End, come.End);
            if (has.Agrees(come))
                change.Kept.Add(come.Before(both));
            else
                change.Replaced.Add((has.Before(both), come.Before(both)));
            old = Rest(has, both) ?? Next(there, ref oldNext);
            @new = Rest(come, both) ?? Next(wanted, ref newNext);
        }

        return change;
    }

    private static ShadowPiece? Next(IReadOnlyList<ShadowPiece> pieces, ref int next) => next < pieces.Count ? pieces[next++] : null;

    private static ShadowPiece? Rest(ShadowPiece piece, ulong from) => from < piece.End ? piece.From(from) : null;
}
