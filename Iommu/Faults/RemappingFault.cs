using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>A request that was refused.</summary>
/// <param name="Source">The requester.</param>
/// <param name="Reason">Why.</param>
/// <param name="Address">The address that it put on the bus.</param>
/// <param name="Write">Whether it wanted to write.</param>
/// <param name="Attributes">What else it carried.</param>
public readonly record struct RemappingFault(
    SourceId Source, FaultReason Reason, Iova Address, bool Write, DmaAttributes Attributes)
{
    /// <summary>The index that an interrupt request asked for, which a record holds in place of the address; null for other requests.</summary>
    public ushort? InterruptIndex { get; init; }

    /// <summary>Whether the device asked the system for a page, rather than for an access or a translation.</summary>
    public bool IsPageRequest { get; init; }
}
