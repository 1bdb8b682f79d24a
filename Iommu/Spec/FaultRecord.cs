using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>FRCD: one recorded fault (VT-d, fault recording register).</summary>
/// <param name="Raw">All 128 bits.</param>
public readonly record struct FaultRecord(Bits128 Raw)
{
    /// <summary>Bits 63:12, FI: the page that was accessed.</summary>
    public Iova Address
    {
        get => new(Raw.Bits(63, 12) << 12);
        init => Raw = Raw.With(63, 12, Aligned.Shift(value.Value, 12));
    }

    /// <summary>Bits 63:48, FI: the index of an interrupt request that was refused; shares its bits with the address.</summary>
    public ushort InterruptIndex
    {
        get => (ushort)Raw.Bits(63, 48);
        init => Raw = Raw.With(63, 48, value);
    }

    /// <summary>Bits 79:64, SID: the requester.</summary>
    public SourceId Source
    {
        get => new((ushort)Raw.Bits(79, 64));
        init => Raw = Raw.With(79, 64, value.Value);
    }

    /// <summary>Bit 92, T2: with T1: 00 write, 01 page request, 10 read, 11 atomic.</summary>
    public bool Type2
    {
        get => Raw.Bit(92);
        init => Raw = Raw.With(92, value);
    }

    /// <summary>Bit 93, PRIV: supervisor privilege was asked for.</summary>
    public bool Privileged
    {
        get => Raw.Bit(93);
        init => Raw = Raw.With(93, value);
    }

    /// <summary>Bit 94, EXE: permission to execute was asked for.</summary>
    public bool Execute
    {
        get => Raw.Bit(94);
        init => Raw = Raw.With(94, value);
    }

    /// <summary>Bit 95, PP: the request carried a PASID.</summary>
    public bool PasidPresent
    {
        get => Raw.Bit(95);
        init => Raw = Raw.With(95, value);
    }

    /// <summary>Bits 103:96, FR: why.</summary>
    public FaultReason Reason
    {
        get => (FaultReason)Raw.Bits(103, 96);
        init => Raw = Raw.With(103, 96, (ulong)value);
    }

    /// <summary>Bits 123:104, PV: the PASID.</summary>
    public Pasid Pasid
    {
        get => new((uint)Raw.Bits(123, 104));
        init => Raw = Raw.With(123, 104, value.Value);
    }

    /// <summary>Bits 125:124, AT: the address type of the request.</summary>
    public AddressType AddressType
    {
        get => (AddressType)Raw.Bits(125, 124);
        init => Raw = Raw.With(125, 124, (ulong)value);
    }

    /// <summary>Bit 126, T1: the first bit of the type.</summary>
    public bool Type1
    {
        get => Raw.Bit(126);
        init => Raw = Raw.With(126, value);
    }

    /// <summary>Bit 127, F: the record holds a fault; written one clears it.</summary>
    public bool Fault
    {
        get => Raw.Bit(127);
        init => Raw = Raw.With(127, value);
    }
}
