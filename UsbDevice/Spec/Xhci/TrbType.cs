using System.Diagnostics.CodeAnalysis;

namespace Dma.UsbDevice.Spec;

/// <summary>TRB bits 111:106 (xHCI, TRB types).</summary>
[SuppressMessage("Design", "CA1027", Justification = "The values are numbers, not flags.")]
public enum TrbType
{
    /// <summary>Not valid.</summary>
    None = 0,

    /// <summary>Transfer: a buffer.</summary>
    Normal = 1,

    /// <summary>Transfer: a SETUP packet.</summary>
    Setup = 2,

    /// <summary>Transfer: the data stage of a control transfer.</summary>
    Data = 3,

    /// <summary>Transfer: the status stage of a control transfer.</summary>
    Status = 4,

    /// <summary>Transfer: an isochronous buffer.</summary>
    Isochronous = 5,

    /// <summary>Any ring: the next segment.</summary>
    Link = 6,

    /// <summary>Transfer: an event with data of its own.</summary>
    EventData = 7,

    /// <summary>Transfer: nothing.</summary>
    NoOp = 8,

    /// <summary>Command.</summary>
    EnableSlot = 9,

    /// <summary>Command.</summary>
    DisableSlot = 10,

    /// <summary>Command.</summary>
    AddressDevice = 11,

    /// <summary>Command.</summary>
    ConfigureEndpoint = 12,

    /// <summary>Command.</summary>
    EvaluateContext = 13,

    /// <summary>Command.</summary>
    ResetEndpoint = 14,

    /// <summary>Command.</summary>
    StopEndpoint = 15,

    /// <summary>Command: Set TR Dequeue Pointer.</summary>
    SetDequeue = 16,

    /// <summary>Command.</summary>
    ResetDevice = 17,

    /// <summary>Command, for a VMM.</summary>
    ForceEvent = 18,

    /// <summary>Command.</summary>
    NegotiateBandwidth = 19,

    /// <summary>Command.</summary>
    SetLatencyTolerance = 20,

    /// <summary>Command.</summary>
    GetPortBandwidth = 21,

    /// <summary>Command.</summary>
    ForceHeader = 22,

    /// <summary>Command: nothing.</summary>
    NoOpCommand = 23,

    /// <summary>Event.</summary>
    TransferEvent = 32,

    /// <summary>Event.</summary>
    CommandCompletion = 33,

    /// <summary>Event.</summary>
    PortStatusChange = 34,

    /// <summary>Event.</summary>
    BandwidthRequest = 35,

    /// <summary>Event, for a VMM.</summary>
    DoorbellEvent = 36,

    /// <summary>Event.</summary>
    HostController = 37,

    /// <summary>Event.</summary>
    DeviceNotification = 38,

    /// <summary>Event.</summary>
    MicroframeWrap = 39,
}
