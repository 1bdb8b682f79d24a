namespace Dma.Iommu.Spec;

/// <summary>The AW field: how wide addresses are before the second stage (VT-d, context entry).</summary>
public enum AddressWidth
{
    /// <summary>39 bits, three levels.</summary>
    Bits39 = 1,

    /// <summary>48 bits, four levels.</summary>
    Bits48 = 2,

    /// <summary>57 bits, five levels.</summary>
    Bits57 = 3,
}
