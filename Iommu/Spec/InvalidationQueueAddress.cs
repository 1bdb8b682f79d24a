using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>IQA: where the invalidation queue is (VT-d, invalidation queue address register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct InvalidationQueueAddress(Bits64 Raw)
{
    /// <summary>Bits 2:0, QS: the queue has 2^QS pages.</summary>
    public int SizeCode
    {
        get => (int)Raw.Bits(2, 0);
        init => Raw = Raw.With(2, 0, (ulong)value);
    }

    /// <summary>Bit 11, DW: descriptors have 256 bits instead of 128.</summary>
    public bool WideDescriptors
    {
        get => Raw.Bit(11);
        init => Raw = Raw.With(11, value);
    }

    /// <summary>Bits 63:12, IQA: the queue.</summary>
    public PhysicalAddress Table
    {
        get => new(Raw.Bits(63, 12) << 12);
        init => Raw = Raw.With(63, 12, Aligned.Shift(value.Value, 12));
    }
}
