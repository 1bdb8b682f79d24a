using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>An interrupt remapping entry as it was when it was read, with all that follows from it alone.</summary>
/// <param name="Tag">Its index plus one; zero where there is none.</param>
/// <param name="State">What it is worth.</param>
/// <param name="Entry">Its bits.</param>
/// <param name="Message">What a sound entry in remapped form makes of a request.</param>
internal readonly record struct CachedInterrupt(int Tag, InterruptEntryState State, InterruptRemappingEntry Entry, MessageInterrupt Message);
