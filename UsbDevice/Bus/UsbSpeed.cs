namespace Dma.UsbDevice;

/// <summary>The signalling speed of a device or of a bus.</summary>
public enum UsbSpeed
{
    /// <summary>1.5 Mb/s.</summary>
    Low,

    /// <summary>12 Mb/s.</summary>
    Full,

    /// <summary>480 Mb/s.</summary>
    High,

    /// <summary>5 Gb/s.</summary>
    Super,
}
