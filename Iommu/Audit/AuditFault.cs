using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>A broken entry, with the fault that hardware raises for each request that comes by.</summary>
/// <param name="Structure">What kind of entry; of a pointer that leads nowhere, the entry that holds it.</param>
/// <param name="Level">The level of a paging entry; 0 elsewhere.</param>
/// <param name="Entry">Where it is; the register's value where the root or interrupt table itself cannot be read.</param>
/// <param name="Raw">Its first 64 bits.</param>
/// <param name="Reason">What hardware reports.</param>
/// <param name="Domain">The domain in whose tables it was first met; null above them.</param>
/// <param name="Address">The first address that comes by it; 0 above the paging tables, the index of an interrupt entry.</param>
public readonly record struct AuditFault(
    AuditStructure Structure, int Level, PhysicalAddress Entry, ulong Raw, FaultReason Reason, AuditedDomain? Domain, Iova Address);
