using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>IVA: the pages of a page-selective IOTLB invalidation by register (VT-d, invalidate address register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct InvalidateAddress(Bits64 Raw)
{
    /// <summary>Bits 5:0, AM: 2^AM pages.</summary>
    public int AddressMask
    {
        get => (int)Raw.Bits(5, 0);
        init => Raw = Raw.With(5, 0, (ulong)value);
    }

    /// <summary>Bit 6, IH: only leaf entries changed.</summary>
    public bool Hint
    {
        get => Raw.Bit(6);
        init => Raw = Raw.With(6, value);
    }

    /// <summary>Bits 63:12, ADDR: the first page; low bits that the mask covers are ignored.</summary>
    public Iova Address
    {
        get => new(Raw.Bits(63, 12) << 12);
        init => Raw = Raw.With(63, 12, Aligned.Shift(value.Value, 12));
    }
}
