namespace Dma.Lab;

/// <summary>What protects a machine against a rogue device, each to be taken away.</summary>
public sealed record RogueDefences
{
    /// <summary>The unit remaps interrupts.</summary>
    public bool RemapsInterrupts { get; init; } = true;

    /// <summary>Interrupts are posted into the guest, rather than taken by the host.</summary>
    public bool PostsInterrupts { get; init; }

    /// <summary>The device may translate for itself, and ask for pages.</summary>
    public bool TrustsDevice { get; init; }

    /// <summary>The port above the device has its access control services on.</summary>
    public bool ControlsAccess { get; init; } = true;

    /// <summary>What is unmapped is invalidated in the unit's caches.</summary>
    public bool Invalidates { get; init; } = true;

    /// <summary>The unit translates.</summary>
    public bool Translates { get; init; } = true;
}
