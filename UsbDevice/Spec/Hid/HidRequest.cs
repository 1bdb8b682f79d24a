namespace Dma.UsbDevice.Spec;

/// <summary>bRequest of the class requests (USB HID, class-specific requests).</summary>
public enum HidRequest : byte
{
    /// <summary>GET_REPORT.</summary>
    GetReport = 1,

    /// <summary>GET_IDLE.</summary>
    GetIdle = 2,

    /// <summary>GET_PROTOCOL.</summary>
    GetProtocol = 3,

    /// <summary>SET_REPORT.</summary>
    SetReport = 9,

    /// <summary>SET_IDLE; the upper byte of wValue is the duration in units of 4 ms, 0 for none.</summary>
    SetIdle = 10,

    /// <summary>SET_PROTOCOL.</summary>
    SetProtocol = 11,
}
