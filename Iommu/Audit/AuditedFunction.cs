using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>A requester whose context entry is present.</summary>
/// <param name="Source">The requester.</param>
/// <param name="Entry">Where its context entry is.</param>
/// <param name="Raw">The context entry; 128 bits of it in legacy mode.</param>
/// <param name="Fault">What every request of it meets; <see cref="FaultReason.None"/> where the entry is sound.</param>
/// <param name="Domain">Legacy mode: its domain; null where it passes through or is refused.</param>
/// <param name="Pasids">Scalable mode: the PASIDs whose entries are present.</param>
public sealed record AuditedFunction(
    SourceId Source,
    PhysicalAddress Entry,
    Bits256 Raw,
    FaultReason Fault,
    AuditedDomain? Domain,
    IReadOnlyList<AuditedPasid> Pasids)
{
    /// <summary>The entry as legacy mode reads it.</summary>
    public ContextEntry Legacy => new(new(Raw.Word0, Raw.Word1));

    /// <summary>The entry as scalable mode reads it.</summary>
    public ScalableContextEntry Scalable => new(Raw);
}
