namespace Dma.Hal.Spec;

/// <summary>How a request ended (management device, completion bits 7:0). Only <see cref="Done"/> did anything, unless it is said.</summary>
public enum ManagementResult
{
    /// <summary>It did not end yet.</summary>
    None = 0,

    /// <summary>It was done.</summary>
    Done = 1,

    /// <summary>A command that does not exist, or fields that mean nothing.</summary>
    BadRequest = 2,

    /// <summary>Its mode is off.</summary>
    ModeOff = 3,

    /// <summary>The grant of the host does not include it.</summary>
    NotGranted = 4,

    /// <summary>An input or output that is longer than the device takes.</summary>
    TooLong = 5,

    /// <summary>The input is no memory, or the output is none: of that, pages before the first bad one may have been written.</summary>
    BufferFault = 6,

    /// <summary>The output has not enough room; value: how much is needed.</summary>
    NoRoom = 7,

    /// <summary>Cancelled by its guest, by the end of its mode, or by a reset.</summary>
    Cancelled = 8,

    /// <summary>The core that had taken it ended; whether it was done is not known.</summary>
    CoreLost = 9,

    /// <summary>A name that names no file within the folder: malformed, or on its way out of the folder.</summary>
    BadName = 10,

    /// <summary>No such file, name or handle.</summary>
    NotFound = 11,

    /// <summary>A name that somebody has already, or that differs from one that is there in case alone.</summary>
    NameTaken = 12,

    /// <summary>It would take more bytes, files or names than are granted.</summary>
    QuotaExceeded = 13,

    /// <summary>The host cannot; the reason is the host's own.</summary>
    HostError = 14,

    /// <summary>Nobody has this number, he is gone, or he has chat turned off.</summary>
    NoDestination = 15,

    /// <summary>The destination has not yet received enough of what the caller sent before.</summary>
    InboxFull = 16,

    /// <summary>A file that the guest itself has open.</summary>
    InUse = 17,
}
