namespace Dma.Vmm;

/// <summary>What the processor of a VM does as far as interrupts are concerned.</summary>
public enum GuestState
{
    /// <summary>It runs, and takes interrupts.</summary>
    Running = 0,

    /// <summary>It waits for an interrupt, and runs when one is due.</summary>
    Halted,

    /// <summary>It would run, but the host has taken its processor away; interrupts wait, except urgent ones.</summary>
    Preempted,
}
