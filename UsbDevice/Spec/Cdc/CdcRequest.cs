namespace Dma.UsbDevice.Spec;

/// <summary>bRequest of the class requests (USB CDC PSTN, abstract control model).</summary>
public enum CdcRequest : byte
{
    /// <summary>SET_LINE_CODING.</summary>
    SetLineCoding = 32,

    /// <summary>GET_LINE_CODING.</summary>
    GetLineCoding = 33,

    /// <summary>SET_CONTROL_LINE_STATE.</summary>
    SetControlLineState = 34,

    /// <summary>SEND_BREAK; wValue is its length in ms, FFFFh until further notice, 0 to end it.</summary>
    SendBreak = 35,
}
