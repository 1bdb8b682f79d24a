namespace Dma.Vmm;

/// <summary>What can happen with a reservation.</summary>
public enum ReservationEventKind
{
    /// <summary>A VM asks for one, or for another one: the request is held.</summary>
    Asked,

    /// <summary>A dummy is told of it.</summary>
    Notified,

    /// <summary>The driver of a dummy has reserved it.</summary>
    Mirrored,

    /// <summary>The driver of a dummy has no time for it.</summary>
    Rejected,

    /// <summary>The driver of a dummy did not answer in time.</summary>
    Silent,

    /// <summary>The driver of a dummy says that it has no time for it, and it must have: that stops nobody.</summary>
    Disproved,

    /// <summary>The request goes out.</summary>
    Granted,

    /// <summary>The request is answered with STALL.</summary>
    Refused,

    /// <summary>The device has done what was asked.</summary>
    Done,

    /// <summary>The device has not.</summary>
    Dropped,

    /// <summary>The device is gone.</summary>
    Gone,
}

/// <summary>A step of a reservation.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="NowNs">When, in virtual time.</param>
/// <param name="Port">The root port of the device, from 1.</param>
/// <param name="Owner">The register set of the VM that has the device.</param>
/// <param name="Other">The register set of the VM whose dummy it is; that of the owner where none is meant.</param>
/// <param name="NeedNs">What is or shall be reserved for the device, in nanoseconds of each microframe.</param>
public readonly record struct ReservationEvent(ReservationEventKind Kind, ulong NowNs, int Port, int Owner, int Other, uint NeedNs);
