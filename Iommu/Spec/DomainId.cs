namespace Dma.Iommu.Spec;

/// <summary>The number of a domain: the tag of everything that a unit caches about its address space (VT-d, DID).</summary>
/// <param name="Value">0 to 65535; a unit implements 4 + 2 x CAP.ND bits of it.</param>
public readonly record struct DomainId(ushort Value)
{
    /// <summary>Hexadecimal.</summary>
    public override string ToString() => $"{Value:X}h";
}
