using System.Runtime.CompilerServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>First-stage tables that hold addresses of memory.</summary>
internal readonly struct HostTables : IFirstStageTables
{
    public FaultReason Locate<TObserver>(ulong address, bool isTop, TObserver observer, out ulong place)
        where TObserver : struct, IWalkObserver
    {
        place = address;
        return FaultReason.None;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryLocateQuickly(in QuadwordReader memory, ulong address, out ulong place)
    {
        place = address;
        return true;
    }

    public FaultReason AdmitUpdate<TObserver>(ulong address, TObserver observer)
        where TObserver : struct, IWalkObserver => FaultReason.None;

    public Translation FindPage<TObserver>(ulong address, int level, in Demand demand, bool writes, TObserver observer)
        where TObserver : struct, IWalkObserver =>
        Translation.Page(FrameOf(address, level), level, Translation.Read | Translation.Write);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFindPageQuickly(in QuadwordReader memory, ulong address, int level, in Demand demand, out Translation page)
    {
        page = Translation.Page(FrameOf(address, level), level, Translation.Read | Translation.Write);
        return true;
    }

    private static ulong FrameOf(ulong address, int level) => address & Translation.FrameMask & ~((1ul << (3 + (9 * level))) - 1);
}
