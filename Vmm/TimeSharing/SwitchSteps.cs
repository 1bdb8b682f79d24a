namespace Dma.Vmm;

/// <summary>Steps of a switch from one VM to the next that can be left out, to show what each is there for.</summary>
[Flags]
public enum SwitchSteps
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The controller comes to a stop, what it reports has arrived, and the controller is reset before the next VM's registers are loaded.</summary>
    Quiesce = 1 << 0,

    /// <summary>The gates of the ports of all other VMs are closed.</summary>
    Gates = 1 << 1,

    /// <summary>The context entry of the controller leads to the domain of the next VM.</summary>
    Translation = 1 << 2,

    /// <summary>The interrupt of the controller goes to the next VM.</summary>
    Interrupt = 1 << 3,

    /// <summary>The frame index goes on while a VM does not have the controller.</summary>
    Clock = 1 << 4,

    /// <summary>The controller saves what no register shows, and takes it back (xHCI, save and restore); EHCI has no such state.</summary>
    State = 1 << 5,
}
