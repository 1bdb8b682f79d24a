using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Scalable-mode context entry: the PASID directory of one function (VT-d, scalable-mode context entry).</summary>
/// <remarks>Bits 8:5, 255:85 and those of the address beyond the host address width are reserved.</remarks>
/// <param name="Raw">All 256 bits.</param>
public readonly record struct ScalableContextEntry(Bits256 Raw)
{
    /// <summary>Bit 0, P: the entry is valid.</summary>
    public bool Present
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, FPD: qualified faults of this function are not recorded.</summary>
    public bool FaultProcessingDisable
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, DTE: translation requests and translated requests are served.</summary>
    public bool DeviceTlbEnabled
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, PASIDE: requests may carry a PASID.</summary>
    public bool PasidEnabled
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, PRE: page requests are served.</summary>
    public bool PageRequestsEnabled
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bits 11:9, PDTS: the PASID directory has 2^(PDTS + 7) entries.</summary>
    public int PasidDirectorySize
    {
        get => (int)Raw.Bits(11, 9);
        init => Raw = Raw.With(11, 9, (ulong)value);
    }

    /// <summary>Bits 63:12, PASIDDIRPTR: the PASID directory.</summary>
    public PhysicalAddress PasidDirectory
    {
        get => new(Raw.Bits(63, 12) << 12);
        init => Raw = Raw.With(63, 12, Aligned.Shift(value.Value, 12));
    }

    /// <summary>Bits 83:64, RID_PASID: the PASID of requests that carry none.</summary>
    public Pasid RequesterPasid
    {
        get => new((uint)Raw.Bits(83, 64));
        init => Raw = Raw.With(83, 64, value.Value);
    }

    /// <summary>Bit 84, RID_PRIV: requests without PASID count as supervisor requests.</summary>
    public bool RequesterPrivileged
    {
        get => Raw.Bit(84);
        init => Raw = Raw.With(84, value);
    }
}
