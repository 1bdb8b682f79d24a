namespace Dma.Drivers;

/// <summary>How a transfer ended.</summary>
public enum TransferStatus
{
    /// <summary>Never started.</summary>
    None = 0,

    /// <summary>All bytes moved, or the device ended an IN transfer early with a short packet.</summary>
    Completed,

    /// <summary>The device answered with STALL; the endpoint is halted until its halt is cleared.</summary>
    Stalled,

    /// <summary>Three times in a row no valid answer came.</summary>
    NoAnswer,

    /// <summary>The device sent more than fits.</summary>
    Babble,

    /// <summary>The controller could not keep up with memory.</summary>
    BufferError,

    /// <summary>Time was up; the transfer was taken off the schedule.</summary>
    TimedOut,

    /// <summary>The controller stopped: a host system error, or it does not react any more.</summary>
    ControllerStopped,

    /// <summary>The HAL would not map the buffer, or mapped it where the controller cannot reach.</summary>
    NotMapped,

    /// <summary>The pipe was closed before it ended.</summary>
    Canceled,

    /// <summary>The controller does not understand what it was given, or the bus had no time for it.</summary>
    Rejected,
}

/// <summary>How a transfer ended and how far it came.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Bytes">Data bytes moved, whatever the status.</param>
public readonly record struct TransferResult(TransferStatus Status, int Bytes)
{
    /// <summary>Whether it went well; it may still be short.</summary>
    public bool IsCompleted => Status == TransferStatus.Completed;

    /// <summary>The failure that a driver reports when it cannot go on after this.</summary>
    public DriverFailure Failure => Status switch
    {
        TransferStatus.Completed => DriverFailure.None,
        TransferStatus.Stalled => DriverFailure.RequestRefused,
        TransferStatus.Babble => DriverFailure.Babble,
        TransferStatus.TimedOut => DriverFailure.TransferTimeout,
        TransferStatus.ControllerStopped => DriverFailure.HostSystemError,
        TransferStatus.NotMapped => DriverFailure.DmaRefused,
        TransferStatus.Rejected => DriverFailure.CommandRefused,
        _ => DriverFailure.NoAnswer,
    };
}
