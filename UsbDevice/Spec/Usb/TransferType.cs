namespace Dma.UsbDevice.Spec;

/// <summary>bmAttributes bits 1:0 of an endpoint (USB 2.0, endpoint descriptor).</summary>
public enum TransferType
{
    /// <summary>Control.</summary>
    Control = 0,

    /// <summary>Isochronous.</summary>
    Isochronous = 1,

    /// <summary>Bulk.</summary>
    Bulk = 2,

    /// <summary>Interrupt.</summary>
    Interrupt = 3,
}
