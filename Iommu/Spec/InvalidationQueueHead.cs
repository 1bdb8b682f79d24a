using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>IQH: the descriptor that hardware reads next (VT-d, invalidation queue head register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct InvalidationQueueHead(Bits64 Raw)
{
    /// <summary>Bits 18:4, QH: its offset in the queue, in units of 16 bytes.</summary>
    public int Offset
    {
        get => (int)Raw.Bits(18, 4);
        init => Raw = Raw.With(18, 4, (ulong)value);
    }
}
