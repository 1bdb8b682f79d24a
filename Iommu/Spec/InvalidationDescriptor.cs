using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Any invalidation descriptor, before its type is known (VT-d, invalidation descriptors).</summary>
/// <remarks>A descriptor of 256 bits is this one with 128 reserved bits above it.</remarks>
/// <param name="Raw">All 128 bits.</param>
public readonly record struct InvalidationDescriptor(Bits128 Raw)
{
    /// <summary>Bits 3:0, Type: the low four bits of the type.</summary>
    public int TypeLow
    {
        get => (int)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (ulong)value);
    }

    /// <summary>Bits 11:9, Type: the high three bits of the type.</summary>
    public int TypeHigh
    {
        get => (int)Raw.Bits(11, 9);
        init => Raw = Raw.With(11, 9, (ulong)value);
    }
}
