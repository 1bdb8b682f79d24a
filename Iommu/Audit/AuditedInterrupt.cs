using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>A present entry of the interrupt remapping table.</summary>
/// <param name="Index">Its index, which is also its handle.</param>
/// <param name="Address">Where it is.</param>
/// <param name="Entry">The entry.</param>
/// <param name="Fault">What every request for it meets; <see cref="FaultReason.None"/> where it is sound.</param>
public readonly record struct AuditedInterrupt(int Index, PhysicalAddress Address, InterruptRemappingEntry Entry, FaultReason Fault);
