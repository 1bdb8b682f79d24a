using Dma.Machine;

namespace Dma.Iommu;

/// <summary>A range of host memory.</summary>
/// <param name="Start">The first byte.</param>
/// <param name="Length">Bytes.</param>
public readonly record struct AuditedRange(PhysicalAddress Start, ulong Length)
{
    /// <summary>Whether another range lies within this one.</summary>
    public bool Covers(AuditedRange other) =>
        other.Start.Value >= Start.Value
        && other.Start.Value - Start.Value <= Length
        && other.Length <= Length - (other.Start.Value - Start.Value);
}
