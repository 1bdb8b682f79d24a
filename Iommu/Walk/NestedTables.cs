using System.Runtime.CompilerServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>First-stage tables that hold addresses for a second stage.</summary>
/// <remarks>
/// <code>
///   PML4E      PDPE       PDE        PTE        page
///     ^          ^         ^          ^          ^     each is reached by a walk of the second stage: with four
///   4 reads   4 reads   4 reads    4 reads    4 reads  levels in both, 24 entries are read
/// </code>
/// </remarks>
internal readonly struct NestedTables(SecondStage second) : IFirstStageTables
{
    public FaultReason Locate<TObserver>(ulong address, bool isTop, TObserver observer, out ulong place)
        where TObserver : struct, IWalkObserver
    {
        // SFS.5: the table must be where the second stage reaches.
        place = 0;
        bool narrow = address <= second.LastAddress;
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.InputAddress, second.LastAddress, narrow);
        if (!narrow)
            return FaultReason.NestedTableBeyondWidth;

        // SFS.6 and SFS.7: the second stage must permit to read it.
        FaultReason denied = isTop ? FaultReason.NestedTopTableNotReadable : FaultReason.NestedTableNotReadable;
        Translation page = second.Walk(address, Translation.Read, Translation.Read, writes: false, denied, WalkStructure.SecondStageOfTable, observer);
        if (page.Failed)
            return page.Reason;
        bool readable = page.Grants(Translation.Read);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Permission, Translation.Read, readable);
        place = page.Target(address);
        return readable ? FaultReason.None : denied;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryLocateQuickly(in QuadwordReader memory, ulong address, out ulong place) => second.TryFindQuickly(memory, address, out place);

    public FaultReason AdmitUpdate<TObserver>(ulong address, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        // SFS.8. The entry is going to be written: for the second stage its page is dirty.
        const FaultReason Denied = FaultReason.NestedTableNotWritable;
        Translation page = second.Walk(address, Translation.Write, Translation.Write, writes: true, Denied, WalkStructure.SecondStageOfTable, observer);
        if (page.Failed)
            return page.Reason;
        bool writable = page.Grants(Translation.Write);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Permission, Translation.Write, writable);
        return writable ? FaultReason.None : Denied;
    }

    public Translation FindPage<TObserver>(ulong address, int level, in Demand demand, bool writes, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        // SGN.5: the address that the first stage made must be one that the second stage takes.
        bool narrow = address <= second.LastAddress;
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.InputAddress, second.LastAddress, narrow);
        if (!narrow)
            return Translation.None(FaultReason.ScalableAddressBeyondWidth);
        FaultReason denied = demand.Write ? FaultReason.ScalableWriteNotPermitted : FaultReason.ScalableReadNotPermitted;
        Translation page = second.Walk(address, demand.Wanted, demand.Needed & Translation.Read, writes, denied, WalkStructure.SecondStage, observer);
        if (page.Failed)
            return page;

        return Smaller(page, address, level);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFindPageQuickly(in QuadwordReader memory, ulong address, int level, in Demand demand, out Translation page)
    {
        bool found = second.TryFindPageQuickly(memory, address, demand.Wanted, demand.Write, out page);
        page = Smaller(page, address, level);
        return found;
    }

    // The smaller of both pages is what one translation is good for.
    private static Translation Smaller(Translation page, ulong address, int level)
    {
        int smaller = Math.Min(level, page.Level);
        ulong offset = (1ul << (3 + (9 * smaller))) - 1;
        return new(Translation.Page(page.Target(address) & ~offset, smaller, page.Raw).Raw | (page.Raw & Translation.Clean));
    }
}
