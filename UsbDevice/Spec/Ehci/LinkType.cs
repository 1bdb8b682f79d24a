namespace Dma.UsbDevice.Spec;

/// <summary>Bits 2:1 of a link pointer: what lies at the address (EHCI, schedule data structures).</summary>
public enum LinkType
{
    /// <summary>iTD: isochronous transfer at high speed.</summary>
    IsochronousTransfer = 0,

    /// <summary>QH.</summary>
    QueueHead = 1,

    /// <summary>siTD: isochronous transfer through a transaction translator.</summary>
    SplitIsochronousTransfer = 2,

    /// <summary>FSTN.</summary>
    FrameSpan = 3,
}
