namespace Dma.UsbDevice.Spec;

/// <summary>wValue of CLEAR_FEATURE and SET_FEATURE (USB 2.0, standard device requests).</summary>
public enum FeatureSelector : ushort
{
    /// <summary>ENDPOINT_HALT; clearing it also resets the data toggle.</summary>
    EndpointHalt = 0,

    /// <summary>DEVICE_REMOTE_WAKEUP.</summary>
    DeviceRemoteWakeup = 1,

    /// <summary>TEST_MODE.</summary>
    TestMode = 2,
}
