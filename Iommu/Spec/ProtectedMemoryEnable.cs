using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>PMEN: switches the protected memory regions (VT-d, protected memory enable register).</summary>
/// <param name="Raw">The register; bits 63:32 are zero.</param>
public readonly record struct ProtectedMemoryEnable(Bits64 Raw)
{
    /// <summary>Bit 0, PRS: the regions are protected; read only.</summary>
    public bool Status
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 31, EPM: protect them.</summary>
    public bool Enable
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }
}
