using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Legacy-mode context entry: the domain and the tables of one function (VT-d, context entry).</summary>
/// <remarks>Bits 11:4, 71, 127:88, those of the domain-id that the unit does not implement and those of the address beyond the host address width are reserved.</remarks>
/// <param name="Raw">All 128 bits.</param>
public readonly record struct ContextEntry(Bits128 Raw)
{
    /// <summary>Bit 0, P: the entry is valid.</summary>
    public bool Present
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, FPD: faults that this entry qualifies are neither recorded nor reported; read even where P is clear.</summary>
    public bool FaultProcessingDisable
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bits 3:2, TT: which requests are translated, and how.</summary>
    public TranslationType TranslationType
    {
        get => (TranslationType)Raw.Bits(3, 2);
        init => Raw = Raw.With(3, 2, (ulong)value);
    }

    /// <summary>Bits 63:12, SSPTPTR: the top table of the second stage; ignored for pass-through.</summary>
    public PhysicalAddress SecondStageTable
    {
        get => new(Raw.Bits(63, 12) << 12);
        init => Raw = Raw.With(63, 12, Aligned.Shift(value.Value, 12));
    }

    /// <summary>Bits 66:64, AW: the width of addresses, which decides how many levels the tables have.</summary>
    public AddressWidth AddressWidth
    {
        get => (AddressWidth)Raw.Bits(66, 64);
        init => Raw = Raw.With(66, 64, (ulong)value);
    }

    /// <summary>Bits 70:67, AVAIL: for software; hardware ignores it.</summary>
    public int Available
    {
        get => (int)Raw.Bits(70, 67);
        init => Raw = Raw.With(70, 67, (ulong)value);
    }

    /// <summary>Bits 87:72, DID: the domain that tags cached translations.</summary>
    public DomainId DomainId
    {
        get => new((ushort)Raw.Bits(87, 72));
        init => Raw = Raw.With(87, 72, value.Value);
    }
}
