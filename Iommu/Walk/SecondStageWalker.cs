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

    private readonly PhysicalMemory _memory;

    // Reserved bits by level and PS: those of level n are at 2n where PS is clear, at 2n + 1 where it is set.
    private readonly ulong[] _reserved;
    private readonly bool _rightsAtEachLevel;

    public SecondStageWalker(PhysicalMemory memory, HardwareProfile profile)
    {
        _memory = memory;
        _reserved = SecondStageReservedBits.Of(profile);
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
        ulong table = root;
        ulong rights = Translation.Read | Translation.Write;

        // Either any right will do until the walk is over, or the wanted one is asked for at each level.
        ulong needed = _rightsAtEachLevel ? wanted : rights;
        int shift = 12 + (9 * (levels - 1));
        for (int level = levels; ; level--, shift -= 9)
        {
            // 1. The entry must be in memory that answers.
            PhysicalAddress at = new(table + ((address >> shift) & 0x1FF) * 8);
            bool readable = _memory.TryRead(at, out ulong entry);
            if (TObserver.Observes)
            {
                observer.Entry(WalkStructure.SecondStage, level, at, new(entry, 0, 0, 0, 0, 0, 0, 0));
                observer.Check(WalkCheckKind.Readable, 0, readable);
            }

            if (!readable)
                return Translation.None(level == levels ? WalkFault.TopTableAccess : WalkFault.TableAccess);

            // 2. It is present where it permits anything; what it must permit here is the profile's choice.
            if (TObserver.Observes)
            {
                observer.Check(WalkCheckKind.Present, rights, (entry & 3) != 0);
                if (_rightsAtEachLevel && (entry & 3) != 0)
                    observer.Check(WalkCheckKind.Permission, needed, (entry & needed) != 0);
            }

            if ((entry & needed) == 0)
                return Translation.None((entry & 3) == 0 ? WalkFault.NotPresent : WalkFault.Denied);

            // 3. No bit may be set that its level reserves.
            ulong reserved = _reserved[(2 * level) + (int)((entry >> 7) & 1)];
            if (TObserver.Observes)
                observer.Check(WalkCheckKind.ReservedBits, reserved, (entry & reserved) == 0);
            if ((entry & reserved) != 0)
                return Translation.None(WalkFault.Reserved);

            // 4. It is a page at level 1 or with PS, else it leads to the next table.
            rights &= entry;
            if (level == 1 || (entry & PageSize) != 0)
                return Translation.Page(entry & Translation.FrameMask, level, rights);
            table = entry & Translation.FrameMask;
        }
    }
}
