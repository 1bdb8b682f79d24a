using System.Runtime.CompilerServices;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Walks second-stage tables of three to five levels.</summary>
/// <remarks>
/// <code>
///   56      48 47      39 38      30 29      21 20      12 11         0
///  +----------+----------+----------+----------+----------+------------+
///  | level 5  | level 4  | level 3  | level 2  | level 1  |   offset   |
///  +----------+----------+----------+----------+----------+------------+
///     PML5E      PML4E      PDPE       PDE        PTE
///                           1 GiB      2 MiB      4 KiB
/// </code>
/// </remarks>
internal sealed class SecondStageWalker
{
    private const ulong PageSize = 1ul << 7;
    /// <summary>Bit 8, A.</summary>
    public const ulong Accessed = 1ul << 8;

    /// <summary>Bit 9, D.</summary>
    public const ulong Dirty = 1ul << 9;

    private const ulong Any = Translation.Read | Translation.Write;

    private readonly PhysicalMemory _memory;
    private readonly ulong _tableReserved;
    private readonly ulong[] _pageReserved;
    private readonly ulong _smallPageReserved;
    private readonly bool _rightsAtEachLevel;

    public SecondStageWalker(PhysicalMemory memory, HardwareProfile profile)
    {
        _memory = memory;
        _tableReserved = SecondStageReservedBits.OfTables(profile);
        _pageReserved = SecondStageReservedBits.OfPages(profile);
        _smallPageReserved = _pageReserved[1];
        _rightsAtEachLevel = profile.RightsOrder == RightsOrder.AtEachLevel;
    }

    /// <summary>Finds the page of an address.</summary>
    /// <param name="root">The top table.</param>
    /// <param name="levels">How many levels, 3 to 5.</param>
    /// <param name="address">The address, within the width of the tables.</param>
    /// <param name="wanted">The rights of which the request needs one.</param>
    /// <param name="observer">Who watches.</param>
    /// <returns>The page with the rights of all entries on the way, which may lack the wanted one; or why there is none.</returns>
    public Translation Walk<TObserver>(ulong root, int levels, ulong address, ulong wanted, TObserver observer)
        where TObserver : struct, IWalkObserver =>
        Walk(root, levels, address, wanted, default, WalkStructure.SecondStage, default, observer);

    /// <summary>Finds the page of an address, and sets accessed and dirty bits of the entries that are used.</summary>
    /// <remarks>
    /// An entry is used where the walk goes on from it, or where it is the page and grants a wanted right. So a request
    /// that an entry refuses may leave accessed bits above it, and never a dirty bit.
    /// </remarks>
    /// <param name="root">The top table.</param>
    /// <param name="levels">How many levels, 3 to 5.</param>
    /// <param name="address">The address, within the width of the tables.</param>
    /// <param name="wanted">The rights of which the request needs one.</param>
    /// <param name="marking">Which bits are set.</param>
    /// <param name="structure">What the entries are for whoever watches.</param>
    /// <param name="cached">What is known of the tables.</param>
    /// <param name="observer">Who watches.</param>
    public Translation Walk<TObserver>(
        ulong root, int levels, ulong address, ulong wanted, Marking marking, WalkStructure structure, CachedTables cached, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        QuadwordReader memory = _memory.ReadQuadwords(new(root));
        ulong table = root;
        ulong rights = Any;
        int attempts = 0;

        // Either any right will do until the walk is over, or the wanted one is asked for at each level.
        ulong needed = _rightsAtEachLevel ? wanted : Any;
        int shift = 12 + (9 * (levels - 1));
        if (cached.TryFind(address, levels, out int from, out ulong known))
        {
            table = known & Translation.FrameMask;
            rights = known & Any;
            shift = 12 + (9 * (from - 1));
        }

        while (true)
        {
            // 1. The entry must be in memory that answers.
            ulong at = table + (((address >> shift) & 0x1FF) * 8);
            bool readable = memory.TryRead(at, out ulong entry);
            if (TObserver.Observes)
            {
                observer.Entry(structure, LevelOf(shift), new(at), new(entry, 0, 0, 0, 0, 0, 0, 0));
                observer.Check(WalkCheckKind.Readable, 0, readable);
            }

            if (!readable)
                return Translation.None(LevelOf(shift) == levels ? WalkFault.TopTableAccess : WalkFault.TableAccess);

            // 2. It is present where it permits anything; what it must permit here is the profile's choice.
            if (TObserver.Observes)
                ObserveRights(entry, needed, observer);
            if ((entry & needed) == 0)
                return Translation.None((entry & Any) == 0 ? WalkFault.NotPresent : WalkFault.Denied);

            // 3. It is a page at level 1 or with PS, else it leads to the next table. No bit may be set that this reserves.
            bool page = shift == 12 || (entry & PageSize) != 0;
            ulong reserved = page ? _pageReserved[LevelOf(shift)] : _tableReserved;
            if (TObserver.Observes)
                observer.Check(WalkCheckKind.ReservedBits, reserved, (entry & reserved) == 0);
            if ((entry & reserved) != 0)
                return Translation.None(WalkFault.Reserved);

            // 4. An entry that is used is marked. One that changed meanwhile is looked at again.
            ulong unmarked = marking.IsKept ? Unmarked(entry, rights & entry, wanted, page, marking) : 0;
            if (unmarked != 0 && Mark(at, entry, unmarked, marking, observer) is var fault and not WalkFault.None)
            {
                if (fault != WalkFault.Changed)
                    return Translation.None(fault);
                if (++attempts == Marking.AttemptsMax)
                    return Translation.None(WalkFault.UpdateFailed);
                continue;
            }

            // 5. The rights of all entries on the way count.
            rights &= entry;
            if (page)
            {
                ulong clean = marking.IsKept && ((entry | unmarked) & Dirty) == 0 ? Translation.Clean : 0;
                return Translation.OfEntry(entry, LevelOf(shift), rights).With(clean);
            }

            table = entry & Translation.FrameMask;
            cached.Learn(address, LevelOf(shift), table | rights);
            shift -= 9;
        }
    }

    /// <inheritdoc cref="TryWalkQuickly(in QuadwordReader, ulong, int, ulong, ulong, out ulong, out int, out ulong)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryWalkQuickly(ulong root, int levels, ulong address, ulong wanted, out ulong page, out int shift, out ulong rights) =>
        TryWalkQuickly(_memory.ReadQuadwords(), root, levels, address, wanted, out page, out shift, out rights);

    /// <summary>The same walk for the case that nothing is wrong, with no word on what is.</summary>
    /// <param name="memory">Where the tables are.</param>
    /// <param name="root">The top table.</param>
    /// <param name="levels">How many levels, 3 to 5.</param>
    /// <param name="address">The address, within the width of the tables.</param>
    /// <param name="wanted">The rights of which the request needs one.</param>
    /// <param name="page">The entry of the page.</param>
    /// <param name="shift">The size of the page: 12, 21 or 30.</param>
    /// <param name="rights">The bits that all entries on the way have set, the rights among them.</param>
    /// <returns><c>true</c> where a full walk finds the same page and it grants a wanted right; else it has to be asked.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryWalkQuickly(
        in QuadwordReader memory, ulong root, int levels, ulong address, ulong wanted, out ulong page, out int shift, out ulong rights)
    {
        ulong pageOrReserved = _tableReserved | PageSize;
        page = root;
        rights = ulong.MaxValue;
        for (shift = 3 + (9 * levels); memory.TryReadEntry(page, address >> shift, out page); shift -= 9)
        {
            // An entry that is not present takes all rights away, wherever the walk goes from there.
            rights &= page;
            if (shift == 12)
                return (page & _smallPageReserved) == 0 && (rights & wanted) != 0;
            if ((page & pageOrReserved) != 0)
                return (page & PageSize) != 0 && (page & _pageReserved[LevelOf(shift)]) == 0 && (rights & wanted) != 0;
        }

        return false;
    }

    /// <summary>The level of an entry that maps 2^shift bytes.</summary>
    public static int LevelOf(int shift) => ((shift - 12) / 9) + 1;

    private static ulong Unmarked(ulong entry, ulong rights, ulong wanted, bool page, Marking marking)
    {
        // A page that does not grant what is wanted is not used.
        if (page && ((rights & wanted) == 0 || (marking.Needed & ~rights) != 0))
            return 0;
        bool written = page && marking.Writes && (rights & Translation.Write) != 0;
        return (Accessed | (written ? Dirty : 0)) & ~entry;
    }

    private WalkFault Mark<TObserver>(ulong at, ulong entry, ulong bits, Marking marking, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Snoop, bits, marking.Snoops);
        if (!marking.Snoops)
            return WalkFault.NotSnooped;
        MarkOutcome outcome = Marking.Set<TObserver>(_memory, at, entry, bits);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Update, bits, outcome == MarkOutcome.Set);
        return outcome switch
        {
            MarkOutcome.Set => WalkFault.None,
            MarkOutcome.Changed => WalkFault.Changed,
            _ => WalkFault.UpdateFailed,
        };
    }

    private void ObserveRights<TObserver>(ulong entry, ulong needed, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        observer.Check(WalkCheckKind.Present, Any, (entry & Any) != 0);
        if (_rightsAtEachLevel && (entry & Any) != 0)
            observer.Check(WalkCheckKind.Permission, needed, (entry & needed) != 0);
    }
}
