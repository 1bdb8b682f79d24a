namespace Dma.Lab;

/// <summary>A way to let several VMs have USB devices, or a stack of such ways.</summary>
/// <param name="Letters">Its letters in docs/mechanisms, with a plus between those of a stack; a word for what has none.</param>
/// <param name="Title">What it is, in a few words.</param>
/// <param name="Create">Makes a world of it.</param>
internal sealed record SharingMechanism(string Letters, string Title, Func<SharingPlan, SharingWorld>? Create)
{
    /// <summary>What it needs to be changed, for people: hardware, guest, or neither.</summary>
    public required string Needs { get; init; }

    /// <summary>What keeps VMs apart.</summary>
    public required string Isolation { get; init; }

    /// <summary>What it cannot do, as a sentence; empty where nothing is to be said.</summary>
    public string Cannot { get; init; } = "";

    /// <summary>Whether it cannot do the work at all, and is to say so.</summary>
    public bool Refuses { get; init; }

    /// <summary>Whether each slot that it promised to a stream is kept, whatever other VMs ask for.</summary>
    public bool KeepsPromises { get; init; }

    /// <summary>The most exits for each transfer that are expected of it; null where the comparison expects nothing.</summary>
    public double? ExitsMax { get; init; }

    /// <summary>The most bytes copied for each byte of data that are expected of it; null where the comparison expects nothing.</summary>
    public double? CopiesMax { get; init; }

    /// <summary>The longest switch from one VM to the next that is expected of one that gives turns, in nanoseconds: a disk waits until all others had theirs, and no longer. Null where there are no turns.</summary>
    public ulong? SwitchNsMax { get; init; }
}
