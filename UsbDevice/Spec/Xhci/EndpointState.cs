namespace Dma.UsbDevice.Spec;

/// <summary>Endpoint context bits 2:0 (xHCI, endpoint context).</summary>
public enum EndpointState
{
    /// <summary>Not there.</summary>
    Disabled = 0,

    /// <summary>Works, or waits for a doorbell.</summary>
    Running = 1,

    /// <summary>The device or the wire failed.</summary>
    Halted = 2,

    /// <summary>Software stopped it.</summary>
    Stopped = 3,

    /// <summary>A TRB or stream was not understood.</summary>
    Error = 4,
}
