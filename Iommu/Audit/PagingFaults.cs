using Dma.Iommu.Spec;

namespace Dma.Iommu;

/// <summary>The codes under which a mode of translation reports what is wrong in paging tables.</summary>
/// <param name="TopAccess">The top table cannot be read.</param>
/// <param name="Access">A lower table cannot be read.</param>
/// <param name="Reserved">A reserved bit is set.</param>
/// <param name="Output">The page lies in the interrupt range.</param>
internal readonly record struct PagingFaults(FaultReason TopAccess, FaultReason Access, FaultReason Reserved, FaultReason Output)
{
    public static PagingFaults Legacy { get; } = new(
        FaultReason.ContextInvalid, FaultReason.SecondStageAccess, FaultReason.SecondStageReserved, FaultReason.OutputInInterruptRange);

    public static PagingFaults FirstStage { get; } = new(
        FaultReason.FirstStageTopAccess, FaultReason.FirstStageAccess, FaultReason.FirstStageReserved, FaultReason.ScalableOutputInInterruptRange);

    public static PagingFaults SecondStage { get; } = new(
        FaultReason.ScalableSecondStageTopAccess, FaultReason.ScalableSecondStageAccess, FaultReason.ScalableSecondStageReserved, FaultReason.ScalableOutputInInterruptRange);

    public static PagingFaults Of(TranslationTableMode mode, PasidTranslationType stage) =>
        mode == TranslationTableMode.Legacy ? Legacy : stage == PasidTranslationType.SecondStage ? SecondStage : FirstStage;
}
