namespace Dma.Vmm;

/// <summary>How reservations are mirrored.</summary>
public sealed record DummyOptions
{
    /// <summary>How long the drivers of all dummies may take to answer, in nanoseconds of virtual time.</summary>
    public ulong AnswerNsMax { get; init; } = 50_000_000;

    /// <summary>How often in a row a driver may fail to answer in time before it is no longer waited for, until it answers again.</summary>
    public int SilencesMax { get; init; } = 3;

    /// <summary>What is left out.</summary>
    public ReservationSteps Without { get; init; }

    /// <summary>Who sees the steps of each reservation; may be null.</summary>
    public IReservationObserver? Observer { get; init; }
}
