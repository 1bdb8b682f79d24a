namespace Dma.Hal;

/// <summary>One misuse of the DMA API.</summary>
/// <param name="Kind">What was wrong.</param>
/// <param name="Call">The call or access that was wrong; of a leak, the call that let go of the device.</param>
/// <param name="Mapped">The call that mapped or allocated what it is about; null where there was none.</param>
/// <param name="Ended">The call that had ended it before; null where it lived.</param>
public sealed record DmaMisuse(DmaMisuseKind Kind, DmaCall Call, DmaCall? Mapped, DmaCall? Ended = null)
{
    /// <summary>One line.</summary>
    public override string ToString() =>
        $"{Kind}: {Call}{(Mapped is null ? "" : $"; mapped by {Mapped}")}{(Ended is null ? "" : $"; ended by {Ended}")}";
}
