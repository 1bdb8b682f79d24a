using Dma.Iommu.Spec;

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

    public FaultReason AdmitUpdate<TObserver>(ulong address, TObserver observer)
        where TObserver : struct, IWalkObserver => FaultReason.None;

    public Translation FindPage<TObserver>(ulong address, int level, in Demand demand, bool writes, TObserver observer)
        where TObserver : struct, IWalkObserver =>
        Translation.Page(address & Translation.FrameMask, level, Translation.Read | Translation.Write);
}
