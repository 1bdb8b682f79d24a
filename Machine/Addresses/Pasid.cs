namespace Dma.Machine;

/// <summary>A process address space identifier: which of a function's address spaces a request belongs to.</summary>
/// <param name="Value">0 to 2^20 - 1, as it travels in the PASID prefix of a PCI Express request.</param>
public readonly record struct Pasid(uint Value)
{
    /// <summary>Hexadecimal.</summary>
    public override string ToString() => $"{Value:X}h";
}
