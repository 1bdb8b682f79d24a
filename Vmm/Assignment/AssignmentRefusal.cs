namespace Dma.Vmm;

/// <summary>Why a step of an assignment was not taken.</summary>
public enum AssignmentRefusal
{
    /// <summary>It was taken.</summary>
    None = 0,

    /// <summary>Not the step that comes next.</summary>
    WrongState,

    /// <summary>No function answers at that source-id.</summary>
    NotThere,

    /// <summary>Its configuration space contradicts itself.</summary>
    Malformed,

    /// <summary>A bridge: what is below it would go with it.</summary>
    Bridge,

    /// <summary>It cannot be kept apart from others: they go to one VM together.</summary>
    PartOfGroup,

    /// <summary>Another function of its group is with the host, with another VM, or not as far yet.</summary>
    GroupInUse,

    /// <summary>Firmware uses it, and some memory with it, on its own.</summary>
    ReservedMemory,

    /// <summary>A step broke off in the middle: the device has to be taken back.</summary>
    Interrupted,

    /// <summary>It cannot be reset alone.</summary>
    NoReset,

    /// <summary>It did not come back from its reset.</summary>
    ResetFailed,

    /// <summary>The driver of the host does not let it go, or does not take it back.</summary>
    DriverRefused,

    /// <summary>The remapping unit has no domain left, or no memory is left for tables.</summary>
    NoDomain,

    /// <summary>No interrupt vector of the host is left.</summary>
    NoVector,

    /// <summary>The VM wants interrupts posted, and the host cannot, or has no processor or descriptor left for it.</summary>
    NotPosted,

    /// <summary>Something is at that place in the guest's PCI hierarchy, or it is no place for a device, or no room for its BARs is left.</summary>
    GuestPlace,

    /// <summary>The VM has ended.</summary>
    NoMachine,

    /// <summary>The VM wants its device untranslated: the host does not allow it, or its remapping unit cannot let requests through.</summary>
    Untranslated,

    /// <summary>The VM wants all its memory mapped: not all of it is there, its quota of pinned pages is too small, or no frame is left for tables.</summary>
    NotAllMapped,
}
