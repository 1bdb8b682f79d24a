namespace Dma.Vmm;

/// <summary>How a transfer of the host's USB stack ended.</summary>
public enum HostUsbStatus
{
    /// <summary>Never made.</summary>
    None = 0,

    /// <summary>All bytes moved, or the device ended it early with a short packet.</summary>
    Completed,

    /// <summary>The device answered STALL.</summary>
    Stalled,

    /// <summary>The device did not answer, or not in a way that can be understood.</summary>
    NoAnswer,

    /// <summary>The device sent more than fits.</summary>
    Babble,

    /// <summary>It was called off.</summary>
    Canceled,

    /// <summary>The device has no such endpoint in the configuration that is set, or the bus has no time for it.</summary>
    NoEndpoint,

    /// <summary>The device, or its controller, is gone.</summary>
    Gone,
}
