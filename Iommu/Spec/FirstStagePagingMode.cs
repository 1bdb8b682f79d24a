namespace Dma.Iommu.Spec;

/// <summary>How many levels first-stage tables have (VT-d, FSPM); other encodings are reserved.</summary>
public enum FirstStagePagingMode
{
    /// <summary>00: four levels, 48 bits, canonical.</summary>
    FourLevel = 0,

    /// <summary>01: five levels, 57 bits, canonical.</summary>
    FiveLevel = 1,
}
