using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;

namespace Dma.Vmm;

/// <summary>What a guest's own unit would have recorded of a request that the host's unit blocked.</summary>
internal static class GuestFaults
{
    /// <summary>Why the guest's unit would have blocked it; null where it would not have.</summary>
    /// <param name="fault">What the host's unit recorded.</param>
    /// <param name="story">What the guest's tables say now.</param>
    /// <param name="memory">The guest's memory.</param>
    public static FaultReason? ReasonOf(FaultReport fault, WalkTranscript story, GuestMemory memory)
    {
        // 1. What the host's unit found in the guest's own tables, it found as the guest's would have.
        if (IsOfFirstStage(fault.Reason))
            return fault.Reason;

        // 2. What the guest's tables lead to no memory is no fault: nothing answers there, as on any bus.
        if (story.Passes && !memory.Contains(new(story.Target.Value), 4096))
            return null;
        if (story.Fault != FaultReason.None)
            return story.Fault;

        // 3. They would let it pass by now.
        bool isScalable = fault.Reason >= FaultReason.TranslationModeInvalid;
        return (isScalable, fault.Write) switch
        {
            (true, true) => FaultReason.ScalableWriteNotPermitted,
            (true, false) => FaultReason.ScalableReadNotPermitted,
            (false, true) => FaultReason.WriteNotPermitted,
            (false, false) => FaultReason.ReadNotPermitted,
        };
    }

    // Not what the second stage has against tables or pages: that is between the host and its VM.
    private static bool IsOfFirstStage(FaultReason reason) => reason is
        FaultReason.FirstStageNotPresent or FaultReason.FirstStageReserved
        or FaultReason.FirstStageUpdateNotSnooped or FaultReason.AddressNotCanonical or FaultReason.UserNotPermitted;
}
