namespace Dma.Hal;

/// <summary>How long to wait between two looks at a register, and when to give up: from a microsecond, each time twice as long, up to a millisecond.</summary>
/// <param name="timeoutNs">How long at most in all, in nanoseconds of virtual time.</param>
internal struct Backoff(ulong timeoutNs)
{
    private const ulong StepMaxNs = 1_000_000;

    private ulong _leftNs = timeoutNs;
    private ulong _stepNs = 1_000;

    /// <summary>The next wait; <c>false</c> when time is up.</summary>
    public bool TryNext(out ulong delayNs)
    {
        delayNs = Math.Min(_stepNs, _leftNs);
        _leftNs -= delayNs;
        _stepNs = Math.Min(_stepNs * 2, StepMaxNs);
        return delayNs != 0;
    }
}
