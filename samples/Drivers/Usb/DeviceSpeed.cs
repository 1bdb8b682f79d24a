namespace Dma.Drivers;

/// <summary>The speed at which a device talks.</summary>
public enum DeviceSpeed
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
