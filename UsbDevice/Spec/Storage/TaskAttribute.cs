namespace Dma.UsbDevice.Spec;

/// <summary>TASK ATTRIBUTE: when a command may run (USB attached SCSI, information units).</summary>
#pragma warning disable CA1027 // The codes look like flags and are none.
public enum TaskAttribute
{
    /// <summary>In any order.</summary>
    Simple = 0,

    /// <summary>Before all that wait.</summary>
    HeadOfQueue = 1,

    /// <summary>After all that came before, before all that come after.</summary>
    Ordered = 2,

    /// <summary>While the unit waits for somebody to deal with a failure.</summary>
    AutoContingentAllegiance = 4,
}
#pragma warning restore CA1027
