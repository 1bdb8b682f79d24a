namespace Dma.Drivers;

/// <summary>Why a driver gave up.</summary>
public enum DriverFailure
{
    /// <summary>It did not.</summary>
    None = 0,

    /// <summary>Registers that no EHCI controller has: nobody answers, or something else does.</summary>
    NotAnEhciController,

    /// <summary>Registers that no xHCI controller has: nobody answers, or something else does.</summary>
    NotAnXhciController,

    /// <summary>Registers that no management device has, of the version that is known: nobody answers, or something else does.</summary>
    NotAManagementDevice,

    /// <summary>A device for which there is no driver.</summary>
    NoDriver,

    /// <summary>The controller did not do what it was told, for a reason that only a mistake of the driver explains.</summary>
    CommandRefused,

    /// <summary>The controller did not do in time what its specification promises.</summary>
    ControllerTimeout,

    /// <summary>The controller stopped because memory refused one of its accesses (host system error).</summary>
    HostSystemError,

    /// <summary>The HAL refuses memory for the device, or gives an address that the controller cannot form.</summary>
    DmaRefused,

    /// <summary>Nothing is connected to the port.</summary>
    NothingConnected,

    /// <summary>The device is a low-speed or full-speed one; its port now belongs to the companion controller.</summary>
    NotHighSpeed,

    /// <summary>The device takes more of the time of a bus than is left.</summary>
    NoBandwidth,

    /// <summary>More hubs in a row, or more devices, than there may be.</summary>
    TooManyDevices,

    /// <summary>The device did not answer, or stopped answering.</summary>
    NoAnswer,

    /// <summary>The device kept saying "not yet" until time was up.</summary>
    TransferTimeout,

    /// <summary>The device refused a request (stall) that it has to serve.</summary>
    RequestRefused,

    /// <summary>The device sent more than it was asked for.</summary>
    Babble,

    /// <summary>Descriptors that contradict themselves, or lack what this driver needs.</summary>
    BadDescriptor,

    /// <summary>Answers that break the mass-storage protocol, also after reset recovery.</summary>
    ProtocolError,

    /// <summary>A SCSI command failed; the sense data say why.</summary>
    CommandFailed,

    /// <summary>Blocks that the disk does not have, or a block size that this driver does not know.</summary>
    BadGeometry,
}
