namespace Dma.UsbDevice.Spec;

/// <summary>STATUS of a command (SPC, status codes).</summary>
public enum ScsiStatus : byte
{
    /// <summary>GOOD.</summary>
    Good = 0,

    /// <summary>CHECK CONDITION: sense data says why.</summary>
    CheckCondition = 2,

    /// <summary>TASK SET FULL: too many commands wait; this one was not taken.</summary>
    TaskSetFull = 40,
}
