using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Pages of one size and one set of rights that follow each other on both sides of the translation.</summary>
/// <param name="Address">The first address on the side of the device.</param>
/// <param name="Target">Where it leads.</param>
/// <param name="Length">Bytes.</param>
/// <param name="PageShift">12, 21 or 30: the size of the pages.</param>
/// <param name="Rights">What a device may do there.</param>
public readonly record struct MappedRun(Iova Address, PhysicalAddress Target, ulong Length, int PageShift, MappingRights Rights);
