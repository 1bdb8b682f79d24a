namespace Dma.Vmm;

/// <summary>Why a VM stayed where it was. Whatever it was, it runs on there, and nothing of it is left on the other computer.</summary>
public enum MigrationRefusal
{
    /// <summary>It moved.</summary>
    None = 0,

    /// <summary>It has ended, or ended on the way.</summary>
    NotRunning,

    /// <summary>Somebody else logs what it writes: another migration of it is under way.</summary>
    Busy,

    /// <summary>It has virtual devices, a back end, or a remapping unit of its own, whose state nobody can move.</summary>
    VirtualDevice,

    /// <summary>No device of the same kind was named for one of its devices, or what was named is not there, is another kind, or is in use.</summary>
    NoSuchDevice,

    /// <summary>The other computer has no memory for it.</summary>
    NoMemory,

    /// <summary>The guest does not let a device go, and may not be made to.</summary>
    DeviceInUse,

    /// <summary>A device could not be taken back.</summary>
    DeviceStuck,

    /// <summary>The other computer did not give it the device in place of its own.</summary>
    DeviceRefused,

    /// <summary>The guest did not pause in time.</summary>
    NotPaused,

    /// <summary>It writes faster than the link carries: what is left would stop it for too long.</summary>
    NotConverging,

    /// <summary>The link broke.</summary>
    LinkBroken,

    /// <summary>Nothing translates for one of its devices: what that writes cannot be known.</summary>
    NotLogged,
}
