using System.Diagnostics.CodeAnalysis;

namespace Dma.UsbDevice.Spec;

/// <summary>How a TRB or command ended (xHCI, TRB completion codes).</summary>
[SuppressMessage("Design", "CA1027", Justification = "The values are numbers, not flags.")]
public enum CompletionCode
{
    /// <summary>Not an outcome.</summary>
    None = 0,

    /// <summary>It is done.</summary>
    Success = 1,

    /// <summary>A buffer could not be read or written in time, or at all.</summary>
    DataBufferError = 2,

    /// <summary>The device sent more than was asked for.</summary>
    Babble = 3,

    /// <summary>No answer, or a damaged one, too often.</summary>
    TransactionError = 4,

    /// <summary>A TRB or its parameters make no sense.</summary>
    TrbError = 5,

    /// <summary>The device refused.</summary>
    Stall = 6,

    /// <summary>The controller has no room.</summary>
    ResourceError = 7,

    /// <summary>The bus has no time for it.</summary>
    BandwidthError = 8,

    /// <summary>All slots are given out.</summary>
    NoSlots = 9,

    /// <summary>A stream context of the wrong type.</summary>
    InvalidStreamType = 10,

    /// <summary>The slot was not given out.</summary>
    SlotNotEnabled = 11,

    /// <summary>The endpoint is not there.</summary>
    EndpointNotEnabled = 12,

    /// <summary>The device sent less than the buffer holds.</summary>
    ShortPacket = 13,

    /// <summary>An isochronous OUT ring was empty when it was due.</summary>
    RingUnderrun = 14,

    /// <summary>An isochronous IN ring was empty when it was due.</summary>
    RingOverrun = 15,

    /// <summary>The event ring of a virtual function is full.</summary>
    VirtualEventRingFull = 16,

    /// <summary>A field of a context has a value that it may not have.</summary>
    ParameterError = 17,

    /// <summary>An isochronous transfer took more than was reserved.</summary>
    BandwidthOverrun = 18,

    /// <summary>The slot or endpoint is in the wrong state for it.</summary>
    ContextStateError = 19,

    /// <summary>The links did not wake in time.</summary>
    NoPingResponse = 20,

    /// <summary>There is no room for events.</summary>
    EventRingFull = 21,

    /// <summary>The device cannot work here.</summary>
    IncompatibleDevice = 22,

    /// <summary>An isochronous transfer came too late.</summary>
    MissedService = 23,

    /// <summary>Software stopped the command ring.</summary>
    CommandRingStopped = 24,

    /// <summary>Software aborted the command.</summary>
    CommandAborted = 25,

    /// <summary>The endpoint was stopped within this TRB.</summary>
    Stopped = 26,

    /// <summary>The endpoint was stopped, and the length says nothing.</summary>
    StoppedLengthInvalid = 27,

    /// <summary>The endpoint was stopped after a short packet.</summary>
    StoppedShortPacket = 28,

    /// <summary>The maximum exit latency leaves no time.</summary>
    ExitLatencyTooLarge = 29,

    /// <summary>The device sent more than the isochronous buffer holds.</summary>
    IsochronousBufferOverrun = 31,

    /// <summary>An event was lost within the controller.</summary>
    EventLost = 32,

    /// <summary>An error without a name.</summary>
    Undefined = 33,

    /// <summary>The stream is not there.</summary>
    InvalidStream = 34,

    /// <summary>A hub below has no time for it.</summary>
    SecondaryBandwidth = 35,

    /// <summary>A transaction translator failed.</summary>
    SplitError = 36,
}
