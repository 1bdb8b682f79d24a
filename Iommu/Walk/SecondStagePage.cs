using Dma.Machine;

namespace Dma.Iommu;

/// <summary>A page that second-stage tables map.</summary>
/// <param name="Address">The first device address.</param>
/// <param name="Bytes">4 KiB, 2 MiB or 1 GiB.</param>
/// <param name="Target">Where it lies.</param>
/// <param name="Read">Whether devices may read it.</param>
/// <param name="Write">Whether devices may write it.</param>
public readonly record struct SecondStagePage(Iova Address, ulong Bytes, PhysicalAddress Target, bool Read, bool Write);
