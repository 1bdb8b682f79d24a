namespace Dma.UsbDevice.Spec;

/// <summary>bmRequestType bits 4:0 (USB 2.0, USB device requests).</summary>
public enum RequestRecipient
{
    /// <summary>The device.</summary>
    Device = 0,

    /// <summary>An interface, named by wIndex.</summary>
    Interface = 1,

    /// <summary>An endpoint, named by wIndex.</summary>
    Endpoint = 2,

    /// <summary>Something else, such as the port of a hub.</summary>
    Other = 3,
}
