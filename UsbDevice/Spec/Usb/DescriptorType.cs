namespace Dma.UsbDevice.Spec;

/// <summary>bDescriptorType (USB 2.0, standard device requests; class specifications).</summary>
public enum DescriptorType : byte
{
    /// <summary>DEVICE.</summary>
    Device = 1,

    /// <summary>CONFIGURATION.</summary>
    Configuration = 2,

    /// <summary>STRING.</summary>
    String = 3,

    /// <summary>INTERFACE.</summary>
    Interface = 4,

    /// <summary>ENDPOINT.</summary>
    Endpoint = 5,

    /// <summary>DEVICE_QUALIFIER.</summary>
    DeviceQualifier = 6,

    /// <summary>OTHER_SPEED_CONFIGURATION.</summary>
    OtherSpeedConfiguration = 7,

    /// <summary>INTERFACE_ASSOCIATION.</summary>
    InterfaceAssociation = 11,

    /// <summary>BOS.</summary>
    BinaryObjectStore = 15,

    /// <summary>DEVICE_CAPABILITY.</summary>
    DeviceCapability = 16,

    /// <summary>HID.</summary>
    Hid = 33,

    /// <summary>HID report.</summary>
    HidReport = 34,

    /// <summary>CS_INTERFACE; of an interface with USB attached SCSI, 24h is the pipe usage.</summary>
    ClassInterface = 36,

    /// <summary>CS_ENDPOINT.</summary>
    ClassEndpoint = 37,

    /// <summary>Hub.</summary>
    Hub = 41,

    /// <summary>SUPERSPEED_USB_ENDPOINT_COMPANION.</summary>
    SuperSpeedCompanion = 48,
}
