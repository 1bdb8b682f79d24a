using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Invalidates the interrupt entry cache (VT-d, interrupt entry cache invalidate descriptor).</summary>
/// <param name="Raw">All 128 bits.</param>
public readonly record struct InterruptEntryCacheDescriptor(Bits128 Raw)
{
    /// <summary>Bits 3:0, Type: 4.</summary>
    public InvalidationDescriptorType Type
    {
        get => (InvalidationDescriptorType)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (ulong)value);
    }

    /// <summary>Bit 4, G: only the entries that the index names; else all.</summary>
    public bool IndexSelective
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bits 31:27, IM: 2^IM entries.</summary>
    public int IndexMask
    {
        get => (int)Raw.Bits(31, 27);
        init => Raw = Raw.With(31, 27, (ulong)value);
    }

    /// <summary>Bits 47:32, IIDX: the first entry; low bits that the mask covers are ignored.</summary>
    public int Index
    {
        get => (int)Raw.Bits(47, 32);
        init => Raw = Raw.With(47, 32, (ulong)value);
    }
}
