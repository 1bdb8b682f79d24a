namespace Dma.Lab;

/// <summary>What a device of a world is.</summary>
internal enum WorldDeviceKind
{
    /// <summary>A device behind a port of its own that does whatever DMA it is told to, and lies about who it is.</summary>
    Probe = 0,

    /// <summary>An EHCI controller with a disk and a keyboard.</summary>
    Ehci,

    /// <summary>An xHCI controller with a disk and a keyboard.</summary>
    Xhci,

    /// <summary>The teaching device.</summary>
    Edu,
}
