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

    /// <summary>One of several functions of a device, which can reach each other inside it.</summary>
    SeveralFunctions,

    /// <summary>It is behind a bridge that makes all requests from there its own, so that they cannot be told apart.</summary>
    SharedRequester,

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
}
