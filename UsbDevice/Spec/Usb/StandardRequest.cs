namespace Dma.UsbDevice.Spec;

/// <summary>bRequest of standard requests (USB 2.0 and 3.x, standard device requests).</summary>
public enum StandardRequest : byte
{
    /// <summary>GET_STATUS.</summary>
    GetStatus = 0,

    /// <summary>CLEAR_FEATURE.</summary>
    ClearFeature = 1,

    /// <summary>SET_FEATURE.</summary>
    SetFeature = 3,

    /// <summary>SET_ADDRESS; takes effect after its status stage.</summary>
    SetAddress = 5,

    /// <summary>GET_DESCRIPTOR.</summary>
    GetDescriptor = 6,

    /// <summary>SET_DESCRIPTOR.</summary>
    SetDescriptor = 7,

    /// <summary>GET_CONFIGURATION.</summary>
    GetConfiguration = 8,

    /// <summary>SET_CONFIGURATION.</summary>
    SetConfiguration = 9,

    /// <summary>GET_INTERFACE.</summary>
    GetInterface = 10,

    /// <summary>SET_INTERFACE.</summary>
    SetInterface = 11,

    /// <summary>SYNCH_FRAME.</summary>
    SynchFrame = 12,

    /// <summary>SET_SEL, SuperSpeed only.</summary>
    SetExitLatencies = 48,

    /// <summary>SET_ISOCH_DELAY, SuperSpeed only.</summary>
    SetIsochronousDelay = 49,
}
