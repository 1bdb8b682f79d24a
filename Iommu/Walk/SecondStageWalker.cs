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
    private const ulong Any = Translation.Read | Translation.Write;

    private readonly PhysicalMemory _memory;
    private readonly ulong _tableReserved;
    private readonly ulong[] _pageReserved;
    private readonly ulong _smallPageReserved;
    private readonly ulong _unusual;
    private readonly bool _rightsAtEachLevel;

    public SecondStageWalker(PhysicalMemory memory, HardwareProfile profile)
    {
        _memory = memory;
        _tableReserved = SecondStageReservedBits.OfTables(profile);
        _pageReserved = SecondStageReservedBits.OfPages(profile);
        _smallPageReserved = _pageReserved[1];
        _unusual = _tableReserved | PageSize;
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
        where TObserver : struct, IWalkObserver
    {
        QuadwordReader memory = _memory.ReadQuadwords();
        ulong table = root;
        ulong rights = Any;

        // Either any right will do until the walk is over, or the wanted one is asked for at each level.
        ulong needed = _rightsAtEachLevel ? wanted : Any;
        for (int shift = 12 + (9 * (levels - 1)); ; shift -= 9)
        {
            // 1. The entry must be in memory that answers.
            ulong at = table + (((address >> shift) & 0x1FF) * 8);
            bool readable = memory.TryRead(at, out ulong entry);
            if (TObserver.Observes)
            {
                observer.Entry(WalkStructure.SecondStage, LevelOf(shift), new(at), new(entry, 0, 0, 0, 0, 0, 0, 0));
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

            // 4. The rights of all entries on the way count.
            rights &= entry;
            if (page)
                return Translation.Page(entry & Translation.FrameMask, LevelOf(shift), rights);
            table = entry & Translation.FrameMask;
        }
    }

    /// <summary>The same walk where all is as it mostly is: pages of 4 KiB, tables in the largest extent of memory, nothing wrong.</summary>
    /// <returns>What <see cref="Walk"/> would find; or nothing, and then it has to be asked.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Translation WalkQuickly(ulong root, int levels, ulong address, ulong wanted)
    {
        QuadwordReader memory = _memory.ReadQuadwords();
        ulong unusual = _unusual;
        ulong entry = root;
        ulong rights = Any;
        for (int shift = 3 + (9 * levels); shift > 12; shift -= 9)
        {
            if (!memory.TryReadEntry(entry, address >> shift, out entry) || (entry & unusual) != 0)
                return default;
            rights &= entry;
        }

        return memory.TryReadEntry(entry, address >> 12, out entry) && (entry & _smallPageReserved) == 0 && (entry & rights & wanted) != 0
            ? Translation.Page(entry & Translation.FrameMask, 1, entry & rights)
            : default;
    }

    private static int LevelOf(int shift) => ((shift - 12) / 9) + 1;

    private void ObserveRights<TObserver>(ulong entry, ulong needed, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        observer.Check(WalkCheckKind.Present, Any, (entry & Any) != 0);
        if (_rightsAtEachLevel && (entry & Any) != 0)
            observer.Check(WalkCheckKind.Permission, needed, (entry & needed) != 0);
    }
}
