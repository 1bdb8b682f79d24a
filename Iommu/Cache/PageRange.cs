using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The pages that an invalidation names.</summary>
/// <param name="Address">The first address; low bits that the mask covers do not matter.</param>
/// <param name="Mask">2^Mask pages of 4 KiB.</param>
/// <param name="LeavesOnly">Whether no entry changed that leads to a table: IH.</param>
internal readonly record struct PageRange(Iova Address, int Mask, bool LeavesOnly);
