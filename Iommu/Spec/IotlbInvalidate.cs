using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>IOTLB_REG: invalidates the IOTLB by register (VT-d, IOTLB invalidate register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct IotlbInvalidate(Bits64 Raw)
{
    /// <summary>Bits 47:32, DID: the domain.</summary>
    public DomainId DomainId
    {
        get => new((ushort)Raw.Bits(47, 32));
        init => Raw = Raw.With(47, 32, value.Value);
    }

    /// <summary>Bit 48, DW: wait for writes that are under way.</summary>
    public bool DrainWrites
    {
        get => Raw.Bit(48);
        init => Raw = Raw.With(48, value);
    }

    /// <summary>Bit 49, DR: wait for reads that are under way.</summary>
    public bool DrainReads
    {
        get => Raw.Bit(49);
        init => Raw = Raw.With(49, value);
    }

    /// <summary>Bits 58:57, IAIG: what was done; read only.</summary>
    public IotlbGranularity ActualGranularity
    {
        get => (IotlbGranularity)Raw.Bits(58, 57);
        init => Raw = Raw.With(58, 57, (ulong)value);
    }

    /// <summary>Bits 61:60, IIRG: what shall be done.</summary>
    public IotlbGranularity RequestedGranularity
    {
        get => (IotlbGranularity)Raw.Bits(61, 60);
        init => Raw = Raw.With(61, 60, (ulong)value);
    }

    /// <summary>Bit 63, IVT: start; hardware clears it when done.</summary>
    public bool Invalidate
    {
        get => Raw.Bit(63);
        init => Raw = Raw.With(63, value);
    }
}
