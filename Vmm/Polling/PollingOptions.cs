namespace Dma.Vmm;

/// <summary>How a poller works.</summary>
public sealed record PollingOptions
{
    /// <summary>From one turn to the next while there is something to do, in nanoseconds, not zero.</summary>
    public ulong PeriodNs { get; init; } = 2_000;

    /// <summary>What a look at the registers of one device costs, in nanoseconds (mechanisms sheet, section 1: a poll loop turn).</summary>
    public ulong TurnNs { get; init; } = 200;

    /// <summary>What one change costs on top, in nanoseconds: the work of the device model. An assumption.</summary>
    public ulong ChangeNs { get; init; } = 300;

    /// <summary>How many changes of one device a turn deals with at most, at least 1; the rest waits for the next turn.</summary>
    public int ChangesMax { get; init; } = 64;

    /// <summary>After how many turns without a change it naps between turns; null for never.</summary>
    public int? IdleTurnsMax { get; init; } = 50;

    /// <summary>How long a nap is, in nanoseconds, not less than the period: so old can a change be that ends it.</summary>
    public ulong NapNs { get; init; } = 20_000;

    /// <summary>Whether status is in memory before the interrupt that speaks of it. Only a test leaves that out.</summary>
    public bool PublishesFirst { get; init; } = true;

    internal PollingOptions Check()
    {
        ArgumentOutOfRangeException.ThrowIfZero(PeriodNs);
        ArgumentOutOfRangeException.ThrowIfLessThan(NapNs, PeriodNs);
        ArgumentOutOfRangeException.ThrowIfLessThan(ChangesMax, 1);
        return this;
    }
}
