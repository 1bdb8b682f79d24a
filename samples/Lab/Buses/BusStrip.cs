using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Whose a bus was in each of some microframes in a row.</summary>
/// <param name="StartNs">When the first of them began, in virtual time.</param>
/// <param name="Rows">A row for each VM; none where nobody had the bus.</param>
public sealed record BusStrip(ulong StartNs, IReadOnlyList<StripRow> Rows)
{
    /// <summary>How many microframes.</summary>
    public const int Columns = 96;

    /// <summary>Of the microframes that an account keeps, those in a row that tell most: most VMs have the bus in them, and the one that has it least has it most often.</summary>
    /// <param name="ledger">The account.</param>
    /// <param name="names">What the VMs are called, by number.</param>
    public static BusStrip Of(BusLedger ledger, IReadOnlyList<string> names)
    {
        ulong first = FirstOf(ledger, names.Count);
        ulong[] strip = [.. Enumerable.Range(0, Columns).Select(at => first + (ulong)at)];
        return new(
            ledger.StartOf(first),
            [.. names.Select((name, number) => new StripRow(
                name, [.. strip.Select(at => ledger.In(at, number).Periodic)], [.. strip.Select(at => ledger.In(at, number).Async)]))]);
    }

    // Slides over what is kept; the latest of those that tell as much.
    private static ulong FirstOf(BusLedger ledger, int count)
    {
        int[] had = new int[count];
        (ulong best, (int Vms, int Least) most) = (0, default);
        ulong oldest = ledger.Last < (ulong)ledger.Kept ? 0 : ledger.Last - (ulong)ledger.Kept + 1;
        for (ulong at = oldest; at <= ledger.Last; at++)
        {
            for (int number = 0; number < count; number++)
            {
                had[number] += Has(ledger, at, number);
                if (at >= oldest + Columns)
                    had[number] -= Has(ledger, at - Columns, number);
            }

            (int Vms, int Least) tells = (had.Count(static times => times != 0), had.Where(static times => times != 0).DefaultIfEmpty().Min());
            if (tells.CompareTo(most) >= 0)
                (best, most) = (at, tells);
        }

        return best < Columns ? 0 : best - Columns + 1;
    }

    private static int Has(BusLedger ledger, ulong microframe, int number) => ledger.In(microframe, number) == default ? 0 : 1;
}

/// <summary>The microframes of one VM.</summary>
/// <param name="Name">The VM.</param>
/// <param name="PeriodicNs">Periodic time in each microframe.</param>
/// <param name="AsyncNs">Asynchronous time in each microframe.</param>
public sealed record StripRow(string Name, IReadOnlyList<uint> PeriodicNs, IReadOnlyList<uint> AsyncNs);

/// <summary>One use of the bus within a microframe.</summary>
/// <param name="Set">Whose, from 0: the number of the VM, and of its register set where it has one.</param>
/// <param name="OffsetNs">When it began, from the start of the microframe.</param>
/// <param name="WireNs">How long it lasted.</param>
/// <param name="IsPeriodic">Whether it was periodic work.</param>
public sealed record MicroframeUse(int Set, uint OffsetNs, uint WireNs, bool IsPeriodic);
