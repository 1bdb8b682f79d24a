using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Invalidates the context cache through the queue (VT-d, context-cache invalidate descriptor).</summary>
/// <param name="Raw">All 128 bits.</param>
public readonly record struct ContextCacheDescriptor(Bits128 Raw)
{
    /// <summary>Bits 3:0, Type: 1.</summary>
    public InvalidationDescriptorType Type
    {
        get => (InvalidationDescriptorType)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (ulong)value);
    }

    /// <summary>Bits 5:4, G: how much.</summary>
    public ContextGranularity Granularity
    {
        get => (ContextGranularity)Raw.Bits(5, 4);
        init => Raw = Raw.With(5, 4, (ulong)value);
    }

    /// <summary>Bits 31:16, DID: the domain.</summary>
    public DomainId DomainId
    {
        get => new((ushort)Raw.Bits(31, 16));
        init => Raw = Raw.With(31, 16, value.Value);
    }

    /// <summary>Bits 47:32, SID: the requester.</summary>
    public SourceId Source
    {
        get => new((ushort)Raw.Bits(47, 32));
        init => Raw = Raw.With(47, 32, value.Value);
    }

    /// <summary>Bits 49:48, FM: how many of the bits 2:0 of the requester do not matter, from bit 2 down.</summary>
    public int FunctionMask
    {
        get => (int)Raw.Bits(49, 48);
        init => Raw = Raw.With(49, 48, (ulong)value);
    }
}
