namespace Dma.UsbDevice.Spec;

/// <summary>bPipeID: what a bulk endpoint is for (USB attached SCSI, pipe usage descriptor).</summary>
public enum UasPipe : byte
{
    /// <summary>Commands and task management, to the device.</summary>
    Command = 1,

    /// <summary>Answers, to the host.</summary>
    Status = 2,

    /// <summary>Data to the host.</summary>
    DataIn = 3,

    /// <summary>Data to the device.</summary>
    DataOut = 4,
}
