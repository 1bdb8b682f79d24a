namespace Dma.Vmm;

/// <summary>How reservations are mirrored.</summary>
public sealed record DummyOptions
{
    /// <summary>How long the drivers of all dummies may take to answer, in nanoseconds of virtual time.</summary>
    public ulong AnswerNsMax { get; init; } = 50_000_000;

    /// <summary>How often the drivers of a VM may be silent, or refuse what the books show that they have time for, before they are no longer waited for.</summary>
    public int LapsesMax { get; init; } = 3;

    /// <summary>How many notices in a row they must follow in time before their lapses are forgotten.</summary>
    public int MirroredMin { get; init; } = 10;

    /// <summary>What is left out.</summary>
    public ReservationSteps Without { get; init; }

    /// <summary>Who sees the steps of each reservation; may be null.</summary>
    public IReservationObserver? Observer { get; init; }
}
