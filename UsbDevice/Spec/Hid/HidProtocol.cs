namespace Dma.UsbDevice.Spec;

/// <summary>Which form reports have (USB HID, get protocol).</summary>
public enum HidProtocol : byte
{
    /// <summary>The fixed form that firmware knows.</summary>
    Boot = 0,

    /// <summary>The form that the report descriptor describes.</summary>
    Report = 1,
}
