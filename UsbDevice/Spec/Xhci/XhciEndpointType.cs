namespace Dma.UsbDevice.Spec;

/// <summary>Endpoint context bits 37:35 (xHCI, endpoint context).</summary>
public enum XhciEndpointType
{
    /// <summary>Not valid.</summary>
    None = 0,

    /// <summary>Isochronous, to the device.</summary>
    IsochronousOut = 1,

    /// <summary>Bulk, to the device.</summary>
    BulkOut = 2,

    /// <summary>Interrupt, to the device.</summary>
    InterruptOut = 3,

    /// <summary>Control, both ways.</summary>
    Control = 4,

    /// <summary>Isochronous, to the host.</summary>
    IsochronousIn = 5,

    /// <summary>Bulk, to the host.</summary>
    BulkIn = 6,

    /// <summary>Interrupt, to the host.</summary>
    InterruptIn = 7,
}
