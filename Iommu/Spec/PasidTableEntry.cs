using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>PASID table entry: how the requests of one PASID are translated (VT-d, scalable-mode PASID table entry).</summary>
/// <remarks>Bits 5, 11:10, 86:80, 139:136, 511:192, those of the domain-id that the unit does not implement, those of addresses beyond the host address width, and the fields of what the unit does not have are reserved.</remarks>
/// <param name="Raw">All 512 bits.</param>
public readonly record struct PasidTableEntry(Bits512 Raw)
{
    /// <summary>Bit 0, P: the entry is valid.</summary>
    public bool Present
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, FPD: qualified faults of this PASID are not recorded, present or not.</summary>
    public bool FaultProcessingDisable
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bits 4:2, AW: the width of addresses before the second stage, which decides how many levels its tables have.</summary>
    public AddressWidth AddressWidth
    {
        get => (AddressWidth)Raw.Bits(4, 2);
        init => Raw = Raw.With(4, 2, (ulong)value);
    }

    /// <summary>Bits 8:6, PGTT: which stages translate.</summary>
    public PasidTranslationType TranslationType
    {
        get => (PasidTranslationType)Raw.Bits(8, 6);
        init => Raw = Raw.With(8, 6, (ulong)value);
    }

    /// <summary>Bit 9, SSADE: the second stage keeps accessed and dirty bits.</summary>
    public bool SecondStageAccessedDirty
    {
        get => Raw.Bit(9);
        init => Raw = Raw.With(9, value);
    }

    /// <summary>Bits 63:12, SSPTPTR: the top table of the second stage.</summary>
    public PhysicalAddress SecondStageTable
    {
        get => new(Raw.Bits(63, 12) << 12);
        init => Raw = Raw.With(63, 12, Aligned.Shift(value.Value, 12));
    }

    /// <summary>Bits 79:64, DID: the domain that tags cached translations.</summary>
    public DomainId DomainId
    {
        get => new((ushort)Raw.Bits(79, 64));
        init => Raw = Raw.With(79, 64, value.Value);
    }

    /// <summary>Bit 87, PWSNP: walks from this entry snoop the processor's caches.</summary>
    public bool PageWalkSnoop
    {
        get => Raw.Bit(87);
        init => Raw = Raw.With(87, value);
    }

    /// <summary>Bit 88, PGSNP: accesses snoop the processor's caches whatever the request says.</summary>
    public bool PageSnoop
    {
        get => Raw.Bit(88);
        init => Raw = Raw.With(88, value);
    }

    /// <summary>Bit 89, CD: nothing is cacheable; needs ECAP.MTS.</summary>
    public bool CacheDisabled
    {
        get => Raw.Bit(89);
        init => Raw = Raw.With(89, value);
    }

    /// <summary>Bit 90, EMTE: the memory type is that of second-stage leaves.</summary>
    public bool ExtendedMemoryTypeEnabled
    {
        get => Raw.Bit(90);
        init => Raw = Raw.With(90, value);
    }

    /// <summary>Bits 93:91, EMT: the memory type of second-stage tables.</summary>
    public int ExtendedMemoryType
    {
        get => (int)Raw.Bits(93, 91);
        init => Raw = Raw.With(93, 91, (ulong)value);
    }

    /// <summary>Bit 94, PWT of the top first-stage table.</summary>
    public bool WriteThrough
    {
        get => Raw.Bit(94);
        init => Raw = Raw.With(94, value);
    }

    /// <summary>Bit 95, PCD of the top first-stage table.</summary>
    public bool TableCacheDisabled
    {
        get => Raw.Bit(95);
        init => Raw = Raw.With(95, value);
    }

    /// <summary>Bits 127:96, PAT: eight memory types of four bits.</summary>
    public uint PageAttributeTable
    {
        get => (uint)Raw.Bits(127, 96);
        init => Raw = Raw.With(127, 96, value);
    }

    /// <summary>Bit 128, SRE: supervisor requests are served.</summary>
    public bool SupervisorRequestsEnabled
    {
        get => Raw.Bit(128);
        init => Raw = Raw.With(128, value);
    }

    /// <summary>Bit 129, ERE: requests to execute are served.</summary>
    public bool ExecuteRequestsEnabled
    {
        get => Raw.Bit(129);
        init => Raw = Raw.With(129, value);
    }

    /// <summary>Bits 131:130, FSPM: how many levels the first stage has.</summary>
    public FirstStagePagingMode PagingMode
    {
        get => (FirstStagePagingMode)Raw.Bits(131, 130);
        init => Raw = Raw.With(131, 130, (ulong)value);
    }

    /// <summary>Bit 132, WPE: read-only pages are read-only for supervisor requests too.</summary>
    public bool WriteProtectEnabled
    {
        get => Raw.Bit(132);
        init => Raw = Raw.With(132, value);
    }

    /// <summary>Bit 133, NXE: first-stage entries may forbid execution.</summary>
    public bool NoExecuteEnabled
    {
        get => Raw.Bit(133);
        init => Raw = Raw.With(133, value);
    }

    /// <summary>Bit 134, SMEP: supervisor requests execute no user page.</summary>
    public bool SupervisorExecutionPrevented
    {
        get => Raw.Bit(134);
        init => Raw = Raw.With(134, value);
    }

    /// <summary>Bit 135, EAFE: first-stage entries keep the extended accessed bit.</summary>
    public bool ExtendedAccessedEnabled
    {
        get => Raw.Bit(135);
        init => Raw = Raw.With(135, value);
    }

    /// <summary>Bits 191:140, FSPTPTR: the top table of the first stage; where translation is nested, an address for the second stage.</summary>
    public PhysicalAddress FirstStageTable
    {
        get => new(Raw.Bits(191, 140) << 12);
        init => Raw = Raw.With(191, 140, Aligned.Shift(value.Value, 12));
    }
}
