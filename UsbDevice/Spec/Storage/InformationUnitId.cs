namespace Dma.UsbDevice.Spec;

/// <summary>IU ID: the first byte of whatever travels on the command and status pipes (USB attached SCSI, information units).</summary>
public enum InformationUnitId : byte
{
    /// <summary>COMMAND.</summary>
    Command = 1,

    /// <summary>SENSE: the status of a command, with sense data where it failed.</summary>
    Sense = 3,

    /// <summary>RESPONSE: how a task management function went, or what was wrong with a unit.</summary>
    Response = 4,

    /// <summary>TASK MANAGEMENT.</summary>
    TaskManagement = 5,

    /// <summary>READ READY: the host may fetch the data of a command; without streams only.</summary>
    ReadReady = 6,

    /// <summary>WRITE READY: the host may send the data of a command; without streams only.</summary>
    WriteReady = 7,
}
