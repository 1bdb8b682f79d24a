namespace Dma.UsbDevice.Spec;

/// <summary>Which part of a payload a start-split carries (EHCI, siTD buffer pointer list).</summary>
public enum SplitPosition
{
    /// <summary>All of it.</summary>
    All = 0,

    /// <summary>The first part.</summary>
    Begin = 1,

    /// <summary>A part between.</summary>
    Middle = 2,

    /// <summary>The last part.</summary>
    End = 3,
}
