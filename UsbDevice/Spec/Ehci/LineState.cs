namespace Dma.UsbDevice.Spec;

/// <summary>PORTSC bits 11:10: the level of the D+ and D- lines (EHCI, port status and control register).</summary>
public enum LineState
{
    /// <summary>SE0: both low.</summary>
    SingleEndedZero = 0,

    /// <summary>K: a low-speed device, where the port is not enabled.</summary>
    KState = 1,

    /// <summary>J.</summary>
    JState = 2,
}
