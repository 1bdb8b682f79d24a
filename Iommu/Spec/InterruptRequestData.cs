using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>The data of an interrupt request with a valid subhandle (VT-d, interrupt requests in remappable format).</summary>
/// <remarks>Bits 31:16 are reserved. Without a valid subhandle the data have no meaning.</remarks>
/// <param name="Raw">The doubleword; bits 63:32 are zero.</param>
public readonly record struct InterruptRequestData(Bits64 Raw)
{
    /// <summary>Bits 15:0, SUBHANDLE: added to the handle.</summary>
    public int Subhandle
    {
        get => (int)Raw.Bits(15, 0);
        init => Raw = Raw.With(15, 0, (ulong)value);
    }
}
