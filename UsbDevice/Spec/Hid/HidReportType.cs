namespace Dma.UsbDevice.Spec;

/// <summary>The upper byte of wValue of GET_REPORT and SET_REPORT (USB HID, get report).</summary>
public enum HidReportType : byte
{
    /// <summary>From the device.</summary>
    Input = 1,

    /// <summary>To the device.</summary>
    Output = 2,

    /// <summary>Both ways.</summary>
    Feature = 3,
}
