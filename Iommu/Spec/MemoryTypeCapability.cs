using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>MTRRCAP: which memory type range registers there are (VT-d, MTRR capability register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct MemoryTypeCapability(Bits64 Raw)
{
    /// <summary>Bits 7:0, VCNT: the number of variable ranges.</summary>
    public int VariableRanges
    {
        get => (int)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (ulong)value);
    }

    /// <summary>Bit 8, FIX: the fixed ranges below 1 MiB.</summary>
    public bool FixedRanges
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bit 10, WC: the write-combining type.</summary>
    public bool WriteCombining
    {
        get => Raw.Bit(10);
        init => Raw = Raw.With(10, value);
    }
}
