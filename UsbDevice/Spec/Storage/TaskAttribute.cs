using System.Diagnostics.CodeAnalysis;

namespace Dma.UsbDevice.Spec;

/// <summary>TASK ATTRIBUTE: when a command may run (USB attached SCSI, information units).</summary>
[SuppressMessage("Design", "CA1027", Justification = "The values are codes, not flags.")]
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
