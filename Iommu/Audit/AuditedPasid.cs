using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>A PASID whose entry is present.</summary>
/// <param name="Pasid">The PASID.</param>
/// <param name="Address">Where its entry is.</param>
/// <param name="Entry">The entry.</param>
/// <param name="Fault">What every request with it meets; <see cref="FaultReason.None"/> where the entry is sound.</param>
/// <param name="Domain">Its domain; null where it passes through or is refused.</param>
public sealed record AuditedPasid(
    Pasid Pasid, PhysicalAddress Address, PasidTableEntry Entry, FaultReason Fault, AuditedDomain? Domain);
