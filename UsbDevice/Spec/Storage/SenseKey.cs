namespace Dma.UsbDevice.Spec;

/// <summary>What kind of trouble a command had (SPC, sense key).</summary>
public enum SenseKey : byte
{
    /// <summary>NO SENSE: none.</summary>
    NoSense = 0,

    /// <summary>NOT READY.</summary>
    NotReady = 2,

    /// <summary>MEDIUM ERROR.</summary>
    MediumError = 3,

    /// <summary>HARDWARE ERROR.</summary>
    HardwareError = 4,

    /// <summary>ILLEGAL REQUEST.</summary>
    IllegalRequest = 5,

    /// <summary>UNIT ATTENTION.</summary>
    UnitAttention = 6,

    /// <summary>DATA PROTECT.</summary>
    DataProtect = 7,

    /// <summary>ABORTED COMMAND.</summary>
    AbortedCommand = 11,
}
