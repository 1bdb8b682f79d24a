using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>IRTA: where the interrupt remapping table is and how long; takes effect with SIRTP (VT-d, interrupt remapping table address register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct InterruptTableAddress(Bits64 Raw)
{
    /// <summary>The entries of the longest table.</summary>
    public const int EntriesMax = 1 << 16;

    /// <summary>Bits 3:0, S: the table has 2^(S + 1) entries.</summary>
    public int SizeCode
    {
        get => (int)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (ulong)value);
    }

    /// <summary>Bit 11, EIME: destinations are x2APIC ids; reserved where ECAP.EIM is clear.</summary>
    public bool ExtendedInterruptMode
    {
        get => Raw.Bit(11);
        init => Raw = Raw.With(11, value);
    }

    /// <summary>Bits 63:12, IRTA: the table.</summary>
    public PhysicalAddress Table
    {
        get => new(Raw.Bits(63, 12) << 12);
        init => Raw = Raw.With(63, 12, Aligned.Shift(value.Value, 12));
    }
}
