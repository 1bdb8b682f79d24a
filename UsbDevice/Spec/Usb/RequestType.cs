namespace Dma.UsbDevice.Spec;

/// <summary>bmRequestType bits 6:5 (USB 2.0, USB device requests).</summary>
public enum RequestType
{
    /// <summary>Chapter 9.</summary>
    Standard = 0,

    /// <summary>A device class.</summary>
    Class = 1,

    /// <summary>The vendor.</summary>
    Vendor = 2,
}
