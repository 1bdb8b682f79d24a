namespace Dma.UsbDevice.Spec;

/// <summary>Where a periodic endpoint has its turns, and what they take (EHCI, periodic schedule).</summary>
/// <param name="Frame">The first frame, below the period.</param>
/// <param name="FramePeriod">Frames from turn to turn, a power of two.</param>
/// <param name="StartMask">Microframes of such a frame in which it is asked, or its splits are started: S-mask.</param>
/// <param name="CompleteMask">Microframes in which its splits are completed: C-mask. Those before the first start belong to the next frame.</param>
/// <param name="StartNs">What each start takes, in nanoseconds.</param>
/// <param name="CompleteNs">What each complete-split takes, in nanoseconds.</param>
public readonly record struct PeriodicTurns(int Frame, int FramePeriod, byte StartMask, byte CompleteMask, uint StartNs, uint CompleteNs)
{
    /// <summary>The first microframe in which it is started.</summary>
    public int FirstMicroframe => int.TrailingZeroCount(StartMask);
}
