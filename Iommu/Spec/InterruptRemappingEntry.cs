using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Interrupt remapping table entry: what its two formats share (VT-d, interrupt remapping table entry).</summary>
/// <param name="Raw">All 128 bits.</param>
public readonly record struct InterruptRemappingEntry(Bits128 Raw)
{
    /// <summary>Bit 0, P: the entry is valid.</summary>
    public bool Present
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, FPD: qualified faults of this entry are not recorded, present or not.</summary>
    public bool FaultProcessingDisable
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 15, IM: <c>false</c> is a <see cref="RemappedInterrupt"/>, <c>true</c> a <see cref="PostedInterrupt"/>.</summary>
    public bool IsPosted
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }

    /// <summary>Bits 23:16, VECTOR: what is delivered.</summary>
    public byte Vector
    {
        get => (byte)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, value);
    }

    /// <summary>Bits 79:64, SID: the requester, or a range of buses, first one 15:8 and last one 7:0.</summary>
    public SourceId Source
    {
        get => new((ushort)Raw.Bits(79, 64));
        init => Raw = Raw.With(79, 64, value.Value);
    }

    /// <summary>Bits 81:80, SQ: which bits of SID count.</summary>
    public SourceIdQualifier SourceQualifier
    {
        get => (SourceIdQualifier)Raw.Bits(81, 80);
        init => Raw = Raw.With(81, 80, (ulong)value);
    }

    /// <summary>Bits 83:82, SVT: how the requester is checked.</summary>
    public SourceValidationType SourceValidation
    {
        get => (SourceValidationType)Raw.Bits(83, 82);
        init => Raw = Raw.With(83, 82, (ulong)value);
    }
}
