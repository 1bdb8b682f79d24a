using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>RTADDR: where the root table is; takes effect with SRTP (VT-d, root table address register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct RootTableAddress(Bits64 Raw)
{
    /// <summary>Bits 11:10, TTM: the mode of translation.</summary>
    public TranslationTableMode Mode
    {
        get => (TranslationTableMode)Raw.Bits(11, 10);
        init => Raw = Raw.With(11, 10, (ulong)value);
    }

    /// <summary>Bits 63:12, RTA: the root table.</summary>
    public PhysicalAddress Table
    {
        get => new(Raw.Bits(63, 12) << 12);
        init => Raw = Raw.With(63, 12, Aligned.Shift(value.Value, 12));
    }
}
