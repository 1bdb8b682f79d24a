namespace Dma.Hal.Spec;

/// <summary>How fast a device is that came to a port (Xen, io/usbif.h, speed).</summary>
public enum PlugSpeed
{
    /// <summary>No device is there any more.</summary>
    None = 0,

    /// <summary>1.5 Mb/s.</summary>
    Low = 1,

    /// <summary>12 Mb/s.</summary>
    Full = 2,

    /// <summary>480 Mb/s.</summary>
    High = 3,
}
