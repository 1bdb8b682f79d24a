using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What became of a transaction on a bus.</summary>
/// <param name="Outcome">What became of it.</param>
/// <param name="Length">Bytes of data that came.</param>
/// <param name="WireNs">How long the wire was busy, in nanoseconds.</param>
internal readonly record struct Transaction(TransactionOutcome Outcome, int Length, uint WireNs)
{
    /// <summary>The identifier of the data packet that came; none where none came.</summary>
    public UsbPid Pid { get; init; }
}

/// <summary>The outcomes of transactions.</summary>
internal enum TransactionOutcome
{
    /// <summary>Not made.</summary>
    None = 0,

    /// <summary>Data came, or what was sent was taken.</summary>
    Done,

    /// <summary>The device, or its translator, is not ready.</summary>
    Nak,

    /// <summary>A translator has it, and the result is to be asked for.</summary>
    Pending,

    /// <summary>Data came that the host has already; it is acknowledged and dropped.</summary>
    Repeated,

    /// <summary>The device refuses.</summary>
    Stall,

    /// <summary>No answer, or one without meaning.</summary>
    Error,

    /// <summary>A translator failed.</summary>
    SplitError,
}
