namespace Dma.Properties;

/// <summary>What a controller does not do though its registers are told to, from the moment it is said on.</summary>
[Flags]
internal enum Stuck
{
    /// <summary>Nothing: it works.</summary>
    None = 0,

    /// <summary>It never halts: R/S off changes nothing, and it works on.</summary>
    Halt = 1 << 0,

    /// <summary>EHCI: its schedules never stop, ASS and PSS stay.</summary>
    Schedules = 1 << 1,

    /// <summary>xHCI: it never ends to save its state, SSS stays.</summary>
    Save = 1 << 2,

    /// <summary>xHCI: it never ends to take its state back, RSS stays.</summary>
    Restore = 1 << 3,

    /// <summary>xHCI: it never answers a command, Stop Endpoint among them, and says that it is busy.</summary>
    Commands = 1 << 4,

    /// <summary>It never ends its reset. Without this, a reset is what all of the others end with.</summary>
    Reset = 1 << 5,
}
