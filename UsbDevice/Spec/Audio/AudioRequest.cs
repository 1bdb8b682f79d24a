namespace Dma.UsbDevice.Spec;

/// <summary>bRequest of the class requests (USB audio 1.0, request codes).</summary>
public enum AudioRequest : byte
{
    /// <summary>SET_CUR.</summary>
    SetCurrent = 1,

    /// <summary>GET_CUR.</summary>
    GetCurrent = 129,

    /// <summary>GET_MIN.</summary>
    GetMinimum = 130,

    /// <summary>GET_MAX.</summary>
    GetMaximum = 131,

    /// <summary>GET_RES.</summary>
    GetResolution = 132,
}
