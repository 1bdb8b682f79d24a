namespace Dma.UsbDevice.Spec;

/// <summary>bRequest of the requests of the hub class, where chapter 9 has no such code (USB 2.0, hub class-specific requests).</summary>
/// <remarks>GET_STATUS, CLEAR_FEATURE, SET_FEATURE, GET_DESCRIPTOR and SET_DESCRIPTOR have the codes of <see cref="StandardRequest"/>.</remarks>
public enum HubRequest : byte
{
    /// <summary>CLEAR_TT_BUFFER: forget what a control or bulk endpoint has in the translator.</summary>
    ClearTtBuffer = 8,

    /// <summary>RESET_TT.</summary>
    ResetTt = 9,

    /// <summary>GET_TT_STATE.</summary>
    GetTtState = 10,

    /// <summary>STOP_TT.</summary>
    StopTt = 11,
}
