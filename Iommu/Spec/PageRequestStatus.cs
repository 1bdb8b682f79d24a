using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>PRS: whether page requests wait, or were lost (VT-d, page request status register).</summary>
/// <param name="Raw">The register; bits 63:32 are zero.</param>
public readonly record struct PageRequestStatus(Bits64 Raw)
{
    /// <summary>Bit 0, PPR: a request was put into the queue; written one clears it.</summary>
    public bool Pending
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, PRO: a request found the queue full, and no more are put into it; written one clears it.</summary>
    public bool Overflow
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }
}
