namespace Dma.UsbDevice.Spec;

/// <summary>Extended capability identifiers (xHCI, extended capabilities).</summary>
public enum XhciExtendedId
{
    /// <summary>Not valid.</summary>
    None = 0,

    /// <summary>Who owns the controller, firmware or system.</summary>
    LegacySupport = 1,

    /// <summary>Which ports talk which protocol.</summary>
    SupportedProtocol = 2,

    /// <summary>Power management as of PCI.</summary>
    PowerManagement = 3,

    /// <summary>Virtual functions and their resources.</summary>
    Virtualization = 4,

    /// <summary>Messages without PCI.</summary>
    MessageInterrupt = 5,

    /// <summary>Memory of the controller.</summary>
    LocalMemory = 6,

    /// <summary>A debug port.</summary>
    Debug = 10,

    /// <summary>Messages with a table, without PCI.</summary>
    ExtendedMessageInterrupt = 17,
}
