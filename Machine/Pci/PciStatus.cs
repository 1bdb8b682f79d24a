namespace Dma.Machine;

/// <summary>The status register (PCI Express base, 7.5.1.1.4); the error bits are cleared by writing one.</summary>
[Flags]
public enum PciStatus
{
    /// <summary>Nothing to report.</summary>
    None = 0,

    /// <summary>Bit 3: an INTx interrupt is pending in the function, disabled or not.</summary>
    InterruptStatus = 1 << 3,

    /// <summary>Bit 4: there is a capability list.</summary>
    CapabilitiesList = 1 << 4,

    /// <summary>Bit 8: poisoned data was seen by a requester.</summary>
    MasterDataParityError = 1 << 8,

    /// <summary>Bit 11: a request was completed with Completer Abort.</summary>
    SignaledTargetAbort = 1 << 11,

    /// <summary>Bit 12: a read of its own came back with Completer Abort.</summary>
    ReceivedTargetAbort = 1 << 12,

    /// <summary>Bit 13: a read of its own came back as Unsupported Request.</summary>
    ReceivedMasterAbort = 1 << 13,

    /// <summary>Bit 14: it sent an error message.</summary>
    SignaledSystemError = 1 << 14,

    /// <summary>Bit 15: it received poisoned data.</summary>
    DetectedParityError = 1 << 15,

    /// <summary>All bits that software clears by writing one.</summary>
    Errors = MasterDataParityError | SignaledTargetAbort | ReceivedTargetAbort | ReceivedMasterAbort | SignaledSystemError | DetectedParityError,
}
