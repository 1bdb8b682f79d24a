namespace Dma.UsbDevice.Spec;

/// <summary>PORTPMSC bits 2:0: how a request to enter L1 ended (xHCI, USB 2 port power management status and control register).</summary>
public enum Usb2L1Status
{
    /// <summary>There was none.</summary>
    None = 0,

    /// <summary>The port is in L1.</summary>
    Success = 1,

    /// <summary>The device is not ready for it.</summary>
    NotYet = 2,

    /// <summary>The device does not know L1.</summary>
    NotSupported = 3,

    /// <summary>The device did not answer, or badly.</summary>
    Error = 4,
}
