using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Pages that a device asks for together and that are answered together.</summary>
/// <param name="Source">The device.</param>
/// <param name="Pasid">Whose pages; null for those of requests without PASID.</param>
/// <param name="Number">How the device numbered it, 0 to 511.</param>
/// <param name="Pages">The requests, in the order in which they came; never empty.</param>
public sealed record PageRequestGroup(SourceId Source, Pasid? Pasid, int Number, IReadOnlyList<PageRequestDescriptor> Pages);
