using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Nobody watches.</summary>
public readonly struct NoObserver : IWalkObserver
{
    /// <inheritdoc/>
    public static bool Observes => false;

    /// <inheritdoc/>
    public void Entry(WalkStructure structure, int level, PhysicalAddress address, in Bits512 raw)
    {
    }

    /// <inheritdoc/>
    public void Check(WalkCheckKind kind, ulong mask, bool passed)
    {
    }
}
