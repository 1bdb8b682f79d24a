using System.Diagnostics.CodeAnalysis;

namespace Dma.UsbDevice.Spec;

/// <summary>TASK MANAGEMENT FUNCTION (USB attached SCSI, information units).</summary>
[SuppressMessage("Design", "CA1027", Justification = "The values are codes, not flags.")]
public enum TaskFunction : byte
{
    /// <summary>ABORT TASK: the one whose tag is given.</summary>
    AbortTask = 1,

    /// <summary>ABORT TASK SET: all of this host.</summary>
    AbortTaskSet = 2,

    /// <summary>CLEAR TASK SET: all.</summary>
    ClearTaskSet = 4,

    /// <summary>LOGICAL UNIT RESET.</summary>
    LogicalUnitReset = 8,

    /// <summary>I_T NEXUS RESET.</summary>
    NexusReset = 16,

    /// <summary>QUERY TASK: is the one whose tag is given there?</summary>
    QueryTask = 128,

    /// <summary>QUERY TASK SET: is any there?</summary>
    QueryTaskSet = 129,
}
