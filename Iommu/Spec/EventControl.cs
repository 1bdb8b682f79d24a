using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>FECTL, IECTL, PECTL: the mask and the pending bit of an event (VT-d, fault event control register).</summary>
/// <param name="Raw">The register; bits 63:32 are zero.</param>
public readonly record struct EventControl(Bits64 Raw)
{
    /// <summary>Bit 30, IP: an event waits for its mask; read only.</summary>
    public bool Pending
    {
        get => Raw.Bit(30);
        init => Raw = Raw.With(30, value);
    }

    /// <summary>Bit 31, IM: hold events back.</summary>
    public bool Mask
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }
}
