using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Invalidates the PASID cache (VT-d, PASID-cache invalidate descriptor).</summary>
/// <param name="Raw">Bits 127:0; bits 255:128 are reserved.</param>
public readonly record struct PasidCacheDescriptor(Bits128 Raw)
{
    /// <summary>Bits 3:0, Type: 7.</summary>
    public InvalidationDescriptorType Type
    {
        get => (InvalidationDescriptorType)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (ulong)value);
    }

    /// <summary>Bits 5:4, G: how much; 2 is reserved.</summary>
    public PasidCacheGranularity Granularity
    {
        get => (PasidCacheGranularity)Raw.Bits(5, 4);
        init => Raw = Raw.With(5, 4, (ulong)value);
    }

    /// <summary>Bits 31:16, DID: the domain.</summary>
    public DomainId DomainId
    {
        get => new((ushort)Raw.Bits(31, 16));
        init => Raw = Raw.With(31, 16, value.Value);
    }

    /// <summary>Bits 51:32, PASID: whose entry.</summary>
    public Pasid Pasid
    {
        get => new((uint)Raw.Bits(51, 32));
        init => Raw = Raw.With(51, 32, value.Value);
    }
}
