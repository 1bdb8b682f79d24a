using Dma.Iommu;

namespace Dma.Properties;

/// <summary>The profiles that a test runs on which takes its time on each.</summary>
public static class ProfileChoice
{
    // One for each thing that sets units apart: age, width, superpages, queue, caching mode, mode, version.
    private static readonly string[] s_representative =
    [
        "friendly", "hostile", "minimal", "friendly-scalable", "hostile-scalable", "qemu",
        "core-2nd-graphics", "core-8th", "core-11th-graphics", "core-ultra", "xeon-scalable",
    ];

    /// <summary>Their names: some that stand for all, or all of them where <c>DMA_DEPTH</c> is 3 or more.</summary>
    public static IReadOnlyList<string> Names { get; } = Property.Depth >= 3 ? HardwareProfile.Names : s_representative;
}
