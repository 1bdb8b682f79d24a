namespace Dma.UsbDevice.Spec;

/// <summary>USBCMD bits 3:2: elements in the frame list (EHCI, USB command register).</summary>
public enum FrameListSize
{
    /// <summary>1024 elements, 1.024 s.</summary>
    Elements1024 = 0,

    /// <summary>512 elements.</summary>
    Elements512 = 1,

    /// <summary>256 elements.</summary>
    Elements256 = 2,
}
