namespace Dma.Hal.Spec;

/// <summary>How a request ended (Xen, io/usbif.h, status).</summary>
/// <remarks>The numbers are those that Linux has for the same; that of a request that was unlinked is its, too.</remarks>
public enum UrbStatus
{
    /// <summary>It went well.</summary>
    Ok = 0,

    /// <summary>No such device, or it is gone.</summary>
    NoDevice = -19,

    /// <summary>A request that makes no sense.</summary>
    Invalid = -22,

    /// <summary>The device answered STALL.</summary>
    Stall = -32,

    /// <summary>The device did not answer, or not in a way that can be understood.</summary>
    IoError = -71,

    /// <summary>The device sent too much.</summary>
    Babble = -75,

    /// <summary>It was unlinked.</summary>
    Unlinked = -104,

    /// <summary>The back end goes away.</summary>
    Shutdown = -108,

    /// <summary>The device sent less than it was asked for, and that was not allowed.</summary>
    Short = -121,
}
