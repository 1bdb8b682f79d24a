using System.Runtime.CompilerServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The second stage of one PASID entry: its tables, with the codes of scalable mode.</summary>
internal readonly struct SecondStage(SecondStageWalker walker, in PasidInfo info, int maximumWidth, CachedTables cached)
{
    private readonly ulong _root = info.SecondRoot;
    private readonly int _levels = info.SecondLevels;
    private readonly bool _keepsMarks = info.Has(PasidFlags.SecondStageAccessedDirty);
    private readonly bool _snoops = info.Has(PasidFlags.WalksSnoop);

    /// <summary>The highest address that it translates: what the tables and the unit allow.</summary>
    public ulong LastAddress { get; } = LastAddressOf(info, maximumWidth);

    /// <summary>The highest address that a PASID entry and a unit allow.</summary>
    public static ulong LastAddressOf(in PasidInfo info, int maximumWidth) =>
        Bits64.Mask(Math.Min(maximumWidth, 12 + (9 * info.SecondLevels)) - 1, 0);

    /// <summary>Finds the page of an address for a request.</summary>
    /// <param name="address">The address, not above <see cref="LastAddress"/>.</param>
    /// <param name="wanted">The rights of which one is needed.</param>
    /// <param name="needed">The rights of which all are needed.</param>
    /// <param name="writes">Whether the page is going to be written.</param>
    /// <param name="denied">The code where an entry does not permit the access.</param>
    /// <param name="structure">What the entries are for whoever watches.</param>
    /// <param name="observer">Who watches.</param>
    /// <returns>The page with the rights of all entries on the way, at least one of them; or why there is none.</returns>
    public Translation Walk<TObserver>(ulong address, ulong wanted, ulong needed, bool writes, FaultReason denied, WalkStructure structure, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        Translation page = walker.Walk(_root, _levels, address, wanted, new(_keepsMarks, writes, needed, _snoops), structure, cached, observer);
        if (page.Failed)
            return Translation.None(ScalableFaults.OfSecondStage(page.Fault, denied));

        // SSS.2: where no right is left of all entries together, nothing is present.
        bool present = page.Grants(Translation.Read | Translation.Write);
        if (TObserver.Observes && !present)
            observer.Check(WalkCheckKind.Present, Translation.Read | Translation.Write, false);
        return present ? page : Translation.None(FaultReason.ScalableSecondStageNotPresent);
    }

    /// <summary>Finds a place that is read, the quick way; <c>false</c> where <see cref="Walk"/> has to be asked.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFindQuickly(in QuadwordReader memory, ulong address, out ulong place)
    {
        bool found = walker.TryWalkQuickly(memory, _root, _levels, address, Translation.Read, out ulong entry, out int shift, out ulong rights);
        place = (entry & Translation.FrameMask) | (address & ((1ul << shift) - 1));

        // Accessed bits of all entries on the way stand where second-stage entries have them.
        return found && address <= LastAddress && (!_keepsMarks || (rights & SecondStageWalker.Accessed) != 0);
    }

    /// <summary>Finds the page of an address for a request, the quick way; <c>false</c> where <see cref="Walk"/> has to be asked.</summary>
    /// <param name="memory">Where the tables are.</param>
    /// <param name="address">The address.</param>
    /// <param name="wanted">The rights of which one is needed.</param>
    /// <param name="writes">Whether the page is going to be written.</param>
    /// <param name="page">The page, with the rights of all entries on the way.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFindPageQuickly(in QuadwordReader memory, ulong address, ulong wanted, bool writes, out Translation page)
    {
        page = default;
        if (address > LastAddress
            || !walker.TryWalkQuickly(memory, _root, _levels, address, wanted, out ulong entry, out int shift, out ulong rights))
            return false;
        ulong clean = 0;
        if (_keepsMarks)
        {
            // What is not marked yet has to be.
            bool dirty = (entry & SecondStageWalker.Dirty) != 0;
            if ((rights & SecondStageWalker.Accessed) == 0 || (writes && !dirty))
                return false;
            clean = dirty ? 0 : Translation.Clean;
        }

        page = Translation.OfEntry(entry, SecondStageWalker.LevelOf(shift), rights).With(clean);
        return true;
    }
}
