using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The whole story of one address: every entry that a walk reads for it, every check, and the answer.</summary>
/// <remarks>A transcript is taken from memory as it is now, past all caches, and leaves no trace in the unit.</remarks>
/// <param name="Source">The requester.</param>
/// <param name="Address">The address that it puts on the bus.</param>
/// <param name="Write">Whether it wants to write.</param>
/// <param name="Attributes">What else the request carries.</param>
/// <param name="Steps">
/// The request, then the entries in the order in which they are read. Where translation is nested, the second-stage
/// entries that lead to a first-stage entry stand before it, as <see cref="WalkStructure.SecondStageOfTable"/>.
/// </param>
/// <param name="Fault">Why the request is refused; <see cref="FaultReason.None"/> where it passes.</param>
/// <param name="Reported">Whether the fault would be recorded; an entry can disable that.</param>
/// <param name="Target">Where the access lands, if it passes.</param>
/// <param name="PageBytes">Bytes of the page that maps it; 0 where nothing was translated.</param>
public sealed record WalkTranscript(
    SourceId Source,
    Iova Address,
    bool Write,
    DmaAttributes Attributes,
    IReadOnlyList<WalkStep> Steps,
    FaultReason Fault,
    bool Reported,
    PhysicalAddress Target,
    ulong PageBytes)
{
    /// <summary>Whether the unit is in abort mode, which lets nothing pass and has no fault for it.</summary>
    public bool Aborted { get; init; }

    /// <summary>Whether the request passes.</summary>
    public bool Passes => Fault == FaultReason.None && !Aborted;
}
