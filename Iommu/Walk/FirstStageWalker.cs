using System.Runtime.CompilerServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Walks first-stage tables of four or five levels, which are those of the processor.</summary>
/// <remarks>
/// <code>
///   63    57 56      48 47      39 38      30 29      21 20      12 11         0
///  +--------+----------+----------+----------+----------+----------+------------+
///  |  sign  | level 5  | level 4  | level 3  | level 2  | level 1  |   offset   |
///  +--------+----------+----------+----------+----------+----------+------------+
///              PML5E      PML4E      PDPE       PDE        PTE
///                                    1 GiB      2 MiB      4 KiB
/// </code>
/// </remarks>
internal sealed class FirstStageWalker
{
    private const ulong Present = 1;
    private const ulong Writable = 1 << 1;
    private const ulong User = 1 << 2;
    private const ulong Accessed = 1 << 5;
    private const ulong Dirty = 1 << 6;
    private const ulong PageSize = 1 << 7;
    private const ulong Global = 1 << 8;
    private const ulong ExtendedAccessed = 1 << 10;
    private const ulong ExecuteDisable = 1ul << 63;

    private readonly PhysicalMemory _memory;
    private readonly ulong[] _reserved;
    private readonly ulong[] _reservedWithExecute;
    private readonly bool _rightsAtEachLevel;

    public FirstStageWalker(PhysicalMemory memory, HardwareProfile profile)
    {
        _memory = memory;
        _reserved = FirstStageReservedBits.Of(profile, noExecute: false);
        _reservedWithExecute = FirstStageReservedBits.Of(profile, noExecute: true);
        _rightsAtEachLevel = profile.RightsOrder == RightsOrder.AtEachLevel;
    }

    /// <summary>Finds the page of an address, and sets accessed and dirty bits of the entries that are used.</summary>
    /// <remarks>
    /// An entry is used where the walk goes on from it, or where it is the page and permits the access. So a request
    /// that is refused may leave accessed bits above the place of its refusal; a dirty bit only where this stage
    /// permitted the write and the second one did not.
    /// </remarks>
    /// <param name="info">The PASID entry.</param>
    /// <param name="address">The address, canonical.</param>
    /// <param name="demand">What the request needs.</param>
    /// <param name="tables">How tables and pages are reached.</param>
    /// <param name="cached">What is known of the tables.</param>
    /// <param name="observer">Who watches.</param>
    /// <returns>The page with the rights of all entries of both stages; or why there is none.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public Translation Walk<TTables, TObserver>(in PasidInfo info, ulong address, in Demand demand, in TTables tables, CachedTables cached, TObserver observer)
        where TTables : struct, IFirstStageTables
        where TObserver : struct, IWalkObserver
    {
        Way way = new(info.Has(PasidFlags.NoExecute) ? _reservedWithExecute : _reserved, info, demand);
        ulong table = info.FirstRoot;
        ulong all = ulong.MaxValue;
        ulong any = 0;
        int attempts = 0;
        int level = info.FirstLevels;
        if (cached.TryFind(address, level, out int from, out ulong known))
        {
            // Rights that some entry on the way may lack, and those that some entry may take away.
            table = known & Translation.FrameMask;
            all = known;
            any = known & ExecuteDisable;
            level = from;
        }

        while (true)
        {
            // 1. The entry must be one that can be used.
            ulong at = table + (((address >> (3 + (9 * level))) & 0x1FF) * 8);
            FaultReason fault = Read(way, at, level, level == info.FirstLevels, tables, observer, out ulong place, out ulong entry);
            if (fault != FaultReason.None)
                return Translation.None(fault);

            // 2. Of a page, the rights of all entries on the way must be enough.
            bool page = level == 1 || (entry & PageSize) != 0;
            ulong rights = RightsOf(all & entry, any | entry);
            if (page)
                fault = Judge(demand, rights, observer);
            if (fault != FaultReason.None)
                return Translation.None(fault);

            // 3. An entry that is used is marked. One that changed meanwhile is looked at again.
            bool writes = page && demand.Write && demand.MayWrite(rights);
            ulong unmarked = (way.Marks | (writes ? Dirty : 0)) & ~entry;
            if (unmarked != 0)
            {
                fault = Mark(way, at, place, entry, unmarked, tables, observer, out bool changed);
                if (changed && ++attempts < Marking.AttemptsMax)
                    continue;
                if (fault != FaultReason.None)
                    return Translation.None(fault);
            }

            // 4. It leads to the page, or to the next table.
            if (page)
                return FindPage(entry | unmarked, rights, address, level, demand, writes, tables, observer);
            all &= entry;
            any |= entry;
            table = entry & Translation.FrameMask;
            cached.Learn(address, level, table | (all & (Writable | User)) | (any & ExecuteDisable));
            level--;
        }
    }

    /// <summary>The same walk for the case that nothing is wrong and nothing is left to be marked, with no word on what is.</summary>
    /// <param name="info">The PASID entry.</param>
    /// <param name="address">The address, canonical.</param>
    /// <param name="demand">What the request needs.</param>
    /// <param name="tables">How tables and pages are reached.</param>
    /// <param name="page">The page.</param>
    /// <returns><c>true</c> where a full walk finds the same and permits the access; else it has to be asked.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool TryWalkQuickly<TTables>(in PasidInfo info, ulong address, in Demand demand, in TTables tables, out Translation page)
        where TTables : struct, IFirstStageTables
    {
        page = default;
        ulong[] reserved = info.Has(PasidFlags.NoExecute) ? _reservedWithExecute : _reserved;
        QuadwordReader memory = _memory.ReadQuadwords();
        ulong table = info.FirstRoot;
        ulong all = ulong.MaxValue;
        ulong any = 0;
        for (int level = info.FirstLevels; ; level--)
        {
            ulong at = table + (((address >> (3 + (9 * level))) & 0x1FF) * 8);
            if (!tables.TryLocateQuickly(memory, at, out ulong place) || !memory.TryRead(place, out ulong entry))
                return false;
            all &= entry;
            any |= entry;
            if ((entry & (Present | reserved[(2 * level) + (int)((entry >> 7) & 1)])) != Present)
                return false;
            if (level == 1 || (entry & PageSize) != 0)
                return TryEndQuickly(memory, info, entry, all, any, address, level, demand, tables, out page);
            table = entry & Translation.FrameMask;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryEndQuickly<TTables>(
        in QuadwordReader memory, in PasidInfo info, ulong entry, ulong all, ulong any, ulong address, int level, in Demand demand, in TTables tables, out Translation page)
        where TTables : struct, IFirstStageTables
    {
        page = default;
        ulong rights = RightsOf(all, any);
        ulong marks = Accessed | (info.Has(PasidFlags.ExtendedAccessed) ? ExtendedAccessed : 0);
        bool clean = (entry & Dirty) == 0;
        if ((all & marks) != marks || demand.JudgeFirstStage(rights) != FaultReason.None || (clean && demand.Write))
            return false;
        ulong offset = (1ul << (3 + (9 * level))) - 1;
        ulong target = (entry & Translation.FrameMask & ~offset) | (address & offset);
        if (!tables.TryFindPageQuickly(memory, target, level, demand, out page))
            return false;
        page = page.With(rights | ((entry & Global) != 0 ? Translation.Global : 0) | (clean ? Translation.Clean : 0));
        return true;
    }

    private FaultReason Read<TTables, TObserver>(
        in Way way, ulong at, int level, bool isTop, in TTables tables, TObserver observer, out ulong place, out ulong entry)
        where TTables : struct, IFirstStageTables
        where TObserver : struct, IWalkObserver
    {
        entry = 0;
        FaultReason fault = tables.Locate(at, isTop, observer, out place);
        if (fault != FaultReason.None)
            return fault;

        // SFS.1 and SFS.4: it must be in memory that answers.
        bool readable = _memory.TryRead(new(place), out entry);
        if (TObserver.Observes)
        {
            observer.Entry(WalkStructure.FirstStage, level, new(place), new(entry, 0, 0, 0, 0, 0, 0, 0));
            observer.Check(WalkCheckKind.Readable, 0, readable);
        }

        if (!readable)
            return isTop ? FaultReason.FirstStageTopAccess : FaultReason.FirstStageAccess;

        // SFS.2: it must be present.
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Present, Present, (entry & Present) != 0);
        if ((entry & Present) == 0)
            return FaultReason.FirstStageNotPresent;

        // Some units look at the rights of each entry before its reserved bits.
        if (_rightsAtEachLevel)
            fault = JudgeEntry(way.Demand, RightsOf(entry, entry & way.ExecuteDisable), observer);
        if (fault != FaultReason.None)
            return fault;

        // SFS.3: no bit may be set that is reserved at this level, with PS or without.
        ulong reserved = way.Reserved[(2 * level) + (int)((entry >> 7) & 1)];
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.ReservedBits, reserved, (entry & reserved) == 0);
        return (entry & reserved) == 0 ? FaultReason.None : FaultReason.FirstStageReserved;
    }

    // SFS.9, SFS.8, SFS.10: the walk must snoop, the second stage must permit it, and the memory must take it.
    private FaultReason Mark<TTables, TObserver>(
        in Way way, ulong at, ulong place, ulong entry, ulong bits, in TTables tables, TObserver observer, out bool changed)
        where TTables : struct, IFirstStageTables
        where TObserver : struct, IWalkObserver
    {
        changed = false;
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Snoop, bits, way.Snoops);
        if (!way.Snoops)
            return FaultReason.FirstStageUpdateNotSnooped;
        FaultReason fault = tables.AdmitUpdate(at, observer);
        if (fault != FaultReason.None)
            return fault;
        MarkOutcome outcome = Marking.Set<TObserver>(_memory, place, entry, bits);
        changed = outcome == MarkOutcome.Changed;
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Update, bits, outcome == MarkOutcome.Set);
        return outcome == MarkOutcome.Set ? FaultReason.None : FaultReason.FirstStageUpdateFailed;
    }

    private static Translation FindPage<TTables, TObserver>(
        ulong entry, ulong rights, ulong address, int level, in Demand demand, bool writes, in TTables tables, TObserver observer)
        where TTables : struct, IFirstStageTables
        where TObserver : struct, IWalkObserver
    {
        ulong offset = (1ul << (3 + (9 * level))) - 1;
        ulong target = (entry & Translation.FrameMask & ~offset) | (address & offset);
        Translation page = tables.FindPage(target, level, demand, writes, observer);
        if (page.Failed)
            return page;
        ulong bits = rights | ((entry & Global) != 0 ? Translation.Global : 0) | ((entry & Dirty) == 0 ? Translation.Clean : 0);
        return page.With(bits);
    }

    private static FaultReason JudgeEntry<TObserver>(in Demand demand, ulong rights, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        FaultReason fault = demand.JudgeFirstStageEntry(rights);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Permission, BitsOf(demand), fault == FaultReason.None);
        return fault;
    }

    private static FaultReason Judge<TObserver>(in Demand demand, ulong rights, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        FaultReason fault = demand.JudgeFirstStage(rights);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Permission, BitsOf(demand), fault == FaultReason.None);
        return fault;
    }

    // The rights in the places where a translation has them.
    private static ulong RightsOf(ulong all, ulong any) =>
        ((all & Writable) != 0 ? Translation.FirstWrite : 0)
        | ((all & User) != 0 ? Translation.User : 0)
        | ((any & ExecuteDisable) == 0 ? Translation.Execute : 0);

    // The rights in the places where an entry has them.
    private static ulong BitsOf(in Demand demand) =>
        ((demand.Needed & Translation.FirstWrite) != 0 ? Writable : 0)
        | ((demand.Needed & Translation.User) != 0 || (demand.Executes && demand.ExecuteBars != 0) ? User : 0)
        | ((demand.Needed & Translation.Execute) != 0 ? ExecuteDisable : 0);

    // What stays the same on the whole way.
    private readonly ref struct Way(ulong[] reserved, in PasidInfo info, in Demand demand)
    {
        public readonly ulong[] Reserved = reserved;
        public readonly ulong Marks = Accessed | (info.Has(PasidFlags.ExtendedAccessed) ? ExtendedAccessed : 0);
        public readonly ulong ExecuteDisable = info.Has(PasidFlags.NoExecute) ? FirstStageWalker.ExecuteDisable : 0;
        public readonly bool Snoops = info.Has(PasidFlags.WalksSnoop);
        public readonly Demand Demand = demand;
    }
}
