using Dma.Iommu.Spec;

namespace Dma.Iommu;

/// <summary>What root and context entry say about one requester: what the context cache keeps.</summary>
/// <param name="Fault">Why they say nothing; the other members but FPD then mean nothing.</param>
/// <param name="FaultProcessingDisable">Faults that the context entry qualifies are not recorded.</param>
/// <param name="Type">Which requests are translated, and how.</param>
/// <param name="Domain">The tag of cached translations; 0 where there is a fault.</param>
/// <param name="Root">The top table of the second stage.</param>
/// <param name="Levels">How many levels it has; 0 for pass-through.</param>
internal readonly record struct ContextInfo(
    FaultReason Fault, bool FaultProcessingDisable, TranslationType Type, DomainId Domain, ulong Root, int Levels)
{
    /// <summary>No context.</summary>
    public static ContextInfo None(FaultReason fault, bool faultProcessingDisable = false) =>
        new(fault, faultProcessingDisable, default, default, 0, 0);
}
