using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>ICS: whether a wait descriptor asked for an event (VT-d, invalidation completion status register).</summary>
/// <param name="Raw">The register; bits 63:32 are zero.</param>
public readonly record struct InvalidationCompletionStatus(Bits64 Raw)
{
    /// <summary>Bit 0, IWC: a wait descriptor with IF completed; written one clears it.</summary>
    public bool WaitComplete
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }
}
