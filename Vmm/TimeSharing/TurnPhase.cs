namespace Dma.Vmm;

/// <summary>What happens to a controller that is shared in time.</summary>
public enum TurnPhase
{
    /// <summary>No VM has it.</summary>
    Idle,

    /// <summary>A VM has it.</summary>
    Run,

    /// <summary>Its schedules come to a stop.</summary>
    Quiesce,

    /// <summary>Its registers go into the region of the VM that had it, and it is reset.</summary>
    Save,

    /// <summary>The remapping unit learns whose it is now: context entry, interrupt entry, and the invalidations.</summary>
    Switch,

    /// <summary>The registers of the next VM are loaded.</summary>
    Load,
}

/// <summary>A stretch of time of a controller that is shared in time; one begins where the one before ended.</summary>
/// <param name="Machine">The VM that it is about: in <see cref="TurnPhase.Quiesce"/> and <see cref="TurnPhase.Save"/> the one before, in <see cref="TurnPhase.Switch"/> and <see cref="TurnPhase.Load"/> the next one; null for none.</param>
/// <param name="Phase">What happened.</param>
/// <param name="StartNs">When it began.</param>
/// <param name="EndNs">When it ended.</param>
public readonly record struct TurnSpan(VirtualMachine? Machine, TurnPhase Phase, ulong StartNs, ulong EndNs)
{
    /// <summary>How long it was.</summary>
    public ulong LengthNs => EndNs - StartNs;
}

/// <summary>Sees how a controller goes from one VM to the next.</summary>
public interface ITurnObserver
{
    /// <summary>A stretch of time is over.</summary>
    void Passed(in TurnSpan span);
}
