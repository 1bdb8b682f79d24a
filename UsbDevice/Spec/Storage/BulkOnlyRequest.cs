namespace Dma.UsbDevice.Spec;

/// <summary>bRequest of the class requests (USB mass storage bulk-only, requests).</summary>
public enum BulkOnlyRequest : byte
{
    /// <summary>GET_MAX_LUN: the highest logical unit.</summary>
    GetMaxLun = 254,

    /// <summary>Bulk-Only Mass Storage Reset.</summary>
    Reset = 255,
}
