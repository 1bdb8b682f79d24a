namespace Dma.UsbDevice.Spec;

/// <summary>bDevCapabilityType (USB 3.x, device capability).</summary>
public enum CapabilityType : byte
{
    /// <summary>USB 2.0 EXTENSION.</summary>
    Usb2Extension = 2,

    /// <summary>SUPERSPEED_USB.</summary>
    SuperSpeed = 3,
}
