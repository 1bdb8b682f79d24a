namespace Dma.Iommu.Spec;

/// <summary>A process address space identifier (VT-d, PASID).</summary>
/// <param name="Value">0 to 2^20 - 1.</param>
public readonly record struct Pasid(uint Value)
{
    /// <summary>Hexadecimal.</summary>
    public override string ToString() => $"{Value:X}h";
}
