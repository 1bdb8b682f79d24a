namespace Dma.UsbDevice.Spec;

/// <summary>A speed as PORTSC and slot contexts have it, by the default protocol speed identifiers (xHCI, default speed identifiers).</summary>
public enum PortSpeed
{
    /// <summary>Nothing is connected, or not known yet.</summary>
    None = 0,

    /// <summary>12 Mb/s.</summary>
    Full = 1,

    /// <summary>1.5 Mb/s.</summary>
    Low = 2,

    /// <summary>480 Mb/s.</summary>
    High = 3,

    /// <summary>5 Gb/s.</summary>
    Super = 4,

    /// <summary>10 Gb/s.</summary>
    SuperPlus = 5,
}
