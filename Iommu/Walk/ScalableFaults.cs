using Dma.Iommu.Spec;

namespace Dma.Iommu;

/// <summary>The codes of scalable mode for the ways in which a walk of the second stage can end.</summary>
internal static class ScalableFaults
{
    /// <summary>The code of a walk that ended without a page.</summary>
    /// <param name="fault">How it ended.</param>
    /// <param name="denied">The code of an entry that does not permit the access.</param>
    public static FaultReason OfSecondStage(WalkFault fault, FaultReason denied) => fault switch
    {
        WalkFault.TopTableAccess => FaultReason.ScalableSecondStageTopAccess,
        WalkFault.TableAccess => FaultReason.ScalableSecondStageAccess,
        WalkFault.NotPresent => FaultReason.ScalableSecondStageNotPresent,
        WalkFault.Reserved => FaultReason.ScalableSecondStageReserved,
        WalkFault.NotSnooped => FaultReason.SecondStageUpdateNotSnooped,
        WalkFault.UpdateFailed => FaultReason.SecondStageUpdateFailed,
        _ => denied,
    };
}
