using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>PQA: where the page request queue is (VT-d, page request queue address register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct PageRequestQueueAddress(Bits64 Raw)
{
    /// <summary>Bits 2:0, PQS: the queue has 2^PQS pages, of 128 descriptors each.</summary>
    public int SizeCode
    {
        get => (int)Raw.Bits(2, 0);
        init => Raw = Raw.With(2, 0, (ulong)value);
    }

    /// <summary>Bits 63:12, PQA: the queue.</summary>
    public PhysicalAddress Table
    {
        get => new(Raw.Bits(63, 12) << 12);
        init => Raw = Raw.With(63, 12, Aligned.Shift(value.Value, 12));
    }
}
