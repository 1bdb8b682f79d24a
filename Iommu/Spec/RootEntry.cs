using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>Legacy-mode root entry: where the context table of a bus is (VT-d, root entry).</summary>
/// <remarks>Bits 11:1, 127:64 and those of the address beyond the host address width are reserved.</remarks>
/// <param name="Raw">All 128 bits.</param>
public readonly record struct RootEntry(Bits128 Raw)
{
    /// <summary>Bit 0, P: the entry leads to a context table.</summary>
    public bool Present
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bits 63:12, CTP: the context table of the bus.</summary>
    public PhysicalAddress ContextTable
    {
        get => new(Raw.Bits(63, 12) << 12);
        init => Raw = Raw.With(63, 12, Aligned.Shift(value.Value, 12));
    }
}
