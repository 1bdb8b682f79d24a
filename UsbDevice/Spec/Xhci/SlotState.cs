namespace Dma.UsbDevice.Spec;

/// <summary>Slot context bits 127:123 (xHCI, slot context).</summary>
public enum SlotState
{
    /// <summary>Not given out, or enabled without an address.</summary>
    Enabled = 0,

    /// <summary>The device has address 0.</summary>
    Default = 1,

    /// <summary>It has an address.</summary>
    Addressed = 2,

    /// <summary>It has endpoints too.</summary>
    Configured = 3,
}
