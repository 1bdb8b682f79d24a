using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>CCMD: invalidates the context cache by register (VT-d, context command register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct ContextCommand(Bits64 Raw)
{
    /// <summary>Bits 15:0, DID: the domain.</summary>
    public DomainId DomainId
    {
        get => new((ushort)Raw.Bits(15, 0));
        init => Raw = Raw.With(15, 0, value.Value);
    }

    /// <summary>Bits 31:16, SID: the requester, for device-selective invalidation.</summary>
    public SourceId Source
    {
        get => new((ushort)Raw.Bits(31, 16));
        init => Raw = Raw.With(31, 16, value.Value);
    }

    /// <summary>Bits 33:32, FM: how many of the bits 2:0 of the requester do not matter, from bit 2 down.</summary>
    public int FunctionMask
    {
        get => (int)Raw.Bits(33, 32);
        init => Raw = Raw.With(33, 32, (ulong)value);
    }

    /// <summary>Bits 60:59, CAIG: what was done; read only.</summary>
    public ContextGranularity ActualGranularity
    {
        get => (ContextGranularity)Raw.Bits(60, 59);
        init => Raw = Raw.With(60, 59, (ulong)value);
    }

    /// <summary>Bits 62:61, CIRG: what shall be done.</summary>
    public ContextGranularity RequestedGranularity
    {
        get => (ContextGranularity)Raw.Bits(62, 61);
        init => Raw = Raw.With(62, 61, (ulong)value);
    }

    /// <summary>Bit 63, ICC: start; hardware clears it when done.</summary>
    public bool Invalidate
    {
        get => Raw.Bit(63);
        init => Raw = Raw.With(63, value);
    }
}
