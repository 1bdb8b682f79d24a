namespace Dma.UsbDevice.Spec;

/// <summary>wValue of CLEAR_FEATURE and SET_FEATURE (USB 2.0 and 3.x, standard device requests).</summary>
public enum FeatureSelector : ushort
{
    /// <summary>ENDPOINT_HALT; clearing it also resets the data toggle. For an interface of a SuperSpeed device: FUNCTION_SUSPEND.</summary>
    EndpointHalt = 0,

    /// <summary>DEVICE_REMOTE_WAKEUP.</summary>
    DeviceRemoteWakeup = 1,

    /// <summary>TEST_MODE.</summary>
    TestMode = 2,

    /// <summary>U1_ENABLE, SuperSpeed only: the device may ask for the link state U1.</summary>
    U1Enable = 48,

    /// <summary>U2_ENABLE, SuperSpeed only: the device may ask for the link state U2.</summary>
    U2Enable = 49,

    /// <summary>LTM_ENABLE, SuperSpeed only: the device may send latency tolerance messages.</summary>
    LatencyToleranceEnable = 50,
}
