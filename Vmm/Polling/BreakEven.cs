namespace Dma.Vmm;

/// <summary>From how many register accesses a second on polling costs less time of processors than exits.</summary>
/// <param name="ExitNs">What an exit costs, in nanoseconds.</param>
/// <param name="BurnedNsPerSecond">What the poller burned in each second, in nanoseconds.</param>
/// <param name="Devices">How many devices it serves.</param>
public readonly record struct BreakEven(ulong ExitNs, double BurnedNsPerSecond, int Devices)
{
    /// <summary>Exits a second, of all devices together, that cost as much as the poller.</summary>
    public double ExitsPerSecond => BurnedNsPerSecond / ExitNs;

    /// <summary>The same for each device, where all are alike.</summary>
    public double ExitsPerSecondAndDevice => ExitsPerSecond / Devices;

    /// <summary>What so many exits a second cost, as a part of one processor.</summary>
    public double TrapPart(double exitsPerSecond) => exitsPerSecond * ExitNs / 1e9;

    /// <summary>What the poller costs, as a part of one processor.</summary>
    public double PollPart => BurnedNsPerSecond / 1e9;

    /// <summary>Whether polling is the cheaper way at a rate of exits a second.</summary>
    public bool Polls(double exitsPerSecond) => exitsPerSecond > ExitsPerSecond;
}
