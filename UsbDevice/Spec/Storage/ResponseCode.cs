namespace Dma.UsbDevice.Spec;

/// <summary>RESPONSE CODE (USB attached SCSI, information units).</summary>
public enum ResponseCode : byte
{
    /// <summary>TASK MANAGEMENT FUNCTION COMPLETE.</summary>
    Complete = 0,

    /// <summary>INVALID INFORMATION UNIT.</summary>
    InvalidUnit = 2,

    /// <summary>TASK MANAGEMENT FUNCTION NOT SUPPORTED.</summary>
    NotSupported = 4,

    /// <summary>TASK MANAGEMENT FUNCTION SUCCEEDED: what was asked for is there.</summary>
    Succeeded = 8,

    /// <summary>INCORRECT LOGICAL UNIT NUMBER.</summary>
    IncorrectLogicalUnit = 9,

    /// <summary>OVERLAPPED TAG ATTEMPTED.</summary>
    OverlappedTag = 10,
}
