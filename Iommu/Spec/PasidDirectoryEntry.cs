using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>PASID directory entry: where the table of 64 PASIDs is (VT-d, scalable-mode PASID directory entry).</summary>
/// <remarks>Bits 11:2 and those of the address beyond the host address width are reserved.</remarks>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct PasidDirectoryEntry(Bits64 Raw)
{
    /// <summary>Bit 0, P: the entry is valid.</summary>
    public bool Present
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, FPD: qualified faults of these PASIDs are not recorded.</summary>
    public bool FaultProcessingDisable
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bits 63:12, SMPTBLPTR: the table of 64 PASID entries.</summary>
    public PhysicalAddress PasidTable
    {
        get => new(Raw.Bits(63, 12) << 12);
        init => Raw = Raw.With(63, 12, Aligned.Shift(value.Value, 12));
    }
}
