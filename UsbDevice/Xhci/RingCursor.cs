namespace Dma.UsbDevice;

/// <summary>Where a consumer is on a ring.</summary>
/// <param name="Address">The next TRB.</param>
/// <param name="Cycle">The cycle bit that TRBs have which belong to the controller.</param>
internal readonly record struct RingCursor(ulong Address, bool Cycle)
{
    /// <summary>The next place in the same segment.</summary>
    public RingCursor Next => this with { Address = unchecked(Address + Spec.Trb.Size) };
}
