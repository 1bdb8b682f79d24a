using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Scalable-mode root entry: where the two context tables of a bus are (VT-d, scalable-mode root entry).</summary>
/// <remarks>Bits 11:1, 75:65 and those of addresses beyond the host address width are reserved, each in its half.</remarks>
/// <param name="Raw">All 128 bits.</param>
public readonly record struct ScalableRootEntry(Bits128 Raw)
{
    /// <summary>Bit 0, LP: there is a context table for devices 0 to 15.</summary>
    public bool LowerPresent
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bits 63:12, LCTP: the lower context table.</summary>
    public PhysicalAddress LowerContextTable
    {
        get => new(Raw.Bits(63, 12) << 12);
        init => Raw = Raw.With(63, 12, Aligned.Shift(value.Value, 12));
    }

    /// <summary>Bit 64, UP: there is a context table for devices 16 to 31.</summary>
    public bool UpperPresent
    {
        get => Raw.Bit(64);
        init => Raw = Raw.With(64, value);
    }

    /// <summary>Bits 127:76, UCTP: the upper context table.</summary>
    public PhysicalAddress UpperContextTable
    {
        get => new(Raw.Bits(127, 76) << 12);
        init => Raw = Raw.With(127, 76, Aligned.Shift(value.Value, 12));
    }
}
