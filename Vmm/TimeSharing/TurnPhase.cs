namespace Dma.Vmm;

/// <summary>What happens to a controller that is shared in time.</summary>
public enum TurnPhase
{
    /// <summary>No VM has it.</summary>
    Idle,

    /// <summary>A VM has it.</summary>
    Run,

    /// <summary>It comes to a stop.</summary>
    Quiesce,

    /// <summary>Its registers go into the region of the VM that had it, and it is reset.</summary>
    Save,

    /// <summary>The remapping unit learns whose it is now: context entry, interrupt entry, and the invalidations.</summary>
    Switch,

    /// <summary>The registers of the next VM are loaded.</summary>
    Load,
}
