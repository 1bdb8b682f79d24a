using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>PQH: the descriptor that software reads next (VT-d, page request queue head register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct PageRequestQueueHead(Bits64 Raw)
{
    /// <summary>Bits 18:5: its offset in the queue, in units of 32 bytes.</summary>
    public int Offset
    {
        get => (int)Raw.Bits(18, 5);
        init => Raw = Raw.With(18, 5, (ulong)value);
    }
}
