namespace Dma.UsbDevice;

/// <summary>How a transfer ended, as its controller saw it.</summary>
public enum TransferOutcome
{
    /// <summary>Not ended.</summary>
    None = 0,

    /// <summary>All was moved, or the device ended it early with a short packet.</summary>
    Completed,

    /// <summary>The device answered STALL.</summary>
    Stalled,

    /// <summary>No answer, or none that could be understood, as often as the controller tries.</summary>
    TransactionError,

    /// <summary>The device sent more than it was asked for.</summary>
    Babble,

    /// <summary>The controller could not move the data between memory and bus.</summary>
    BufferError,

    /// <summary>The moment for it passed (periodic transfers).</summary>
    Missed,
}
