using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Invalidates translations of one PASID (VT-d, PASID-based IOTLB invalidate descriptor).</summary>
/// <param name="Raw">Bits 127:0; bits 255:128 are reserved.</param>
public readonly record struct PasidIotlbDescriptor(Bits128 Raw)
{
    /// <summary>Bits 3:0, Type: 6.</summary>
    public InvalidationDescriptorType Type
    {
        get => (InvalidationDescriptorType)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (ulong)value);
    }

    /// <summary>Bits 5:4, G: how much; 0 and 1 are reserved.</summary>
    public PasidIotlbGranularity Granularity
    {
        get => (PasidIotlbGranularity)Raw.Bits(5, 4);
        init => Raw = Raw.With(5, 4, (ulong)value);
    }

    /// <summary>Bits 31:16, DID: the domain.</summary>
    public DomainId DomainId
    {
        get => new((ushort)Raw.Bits(31, 16));
        init => Raw = Raw.With(31, 16, value.Value);
    }

    /// <summary>Bits 51:32, PASID: whose translations.</summary>
    public Pasid Pasid
    {
        get => new((uint)Raw.Bits(51, 32));
        init => Raw = Raw.With(51, 32, value.Value);
    }

    /// <summary>Bits 69:64, AM: 2^AM pages.</summary>
    public int AddressMask
    {
        get => (int)Raw.Bits(69, 64);
        init => Raw = Raw.With(69, 64, (ulong)value);
    }

    /// <summary>Bit 70, IH: only leaf entries changed.</summary>
    public bool Hint
    {
        get => Raw.Bit(70);
        init => Raw = Raw.With(70, value);
    }

    /// <summary>Bits 127:76, ADDR: the first page; low bits that the mask covers are ignored.</summary>
    public Iova Address
    {
        get => new(Raw.Bits(127, 76) << 12);
        init => Raw = Raw.With(127, 76, Aligned.Shift(value.Value, 12));
    }
}
