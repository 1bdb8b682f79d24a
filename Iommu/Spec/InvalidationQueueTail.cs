using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>IQT: the descriptor that software writes next (VT-d, invalidation queue tail register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct InvalidationQueueTail(Bits64 Raw)
{
    /// <summary>Bits 18:4, QT: its offset in the queue, in units of 16 bytes.</summary>
    public int Offset
    {
        get => (int)Raw.Bits(18, 4);
        init => Raw = Raw.With(18, 4, (ulong)value);
    }
}
