namespace Dma.UsbDevice.Spec;

/// <summary>Operation codes of SCSI commands (SPC, SBC, MMC).</summary>
public enum ScsiOperation : byte
{
    /// <summary>TEST UNIT READY.</summary>
    TestUnitReady = 0,

    /// <summary>REQUEST SENSE.</summary>
    RequestSense = 3,

    /// <summary>READ (6).</summary>
    Read6 = 8,

    /// <summary>WRITE (6).</summary>
    Write6 = 10,

    /// <summary>INQUIRY.</summary>
    Inquiry = 18,

    /// <summary>MODE SELECT (6).</summary>
    ModeSelect6 = 21,

    /// <summary>MODE SENSE (6).</summary>
    ModeSense6 = 26,

    /// <summary>START STOP UNIT.</summary>
    StartStopUnit = 27,

    /// <summary>PREVENT ALLOW MEDIUM REMOVAL.</summary>
    PreventAllowMediumRemoval = 30,

    /// <summary>READ FORMAT CAPACITIES.</summary>
    ReadFormatCapacities = 35,

    /// <summary>READ CAPACITY (10).</summary>
    ReadCapacity10 = 37,

    /// <summary>READ (10).</summary>
    Read10 = 40,

    /// <summary>WRITE (10).</summary>
    Write10 = 42,

    /// <summary>VERIFY (10).</summary>
    Verify10 = 47,

    /// <summary>SYNCHRONIZE CACHE (10).</summary>
    SynchronizeCache10 = 53,

    /// <summary>MODE SELECT (10).</summary>
    ModeSelect10 = 85,

    /// <summary>MODE SENSE (10).</summary>
    ModeSense10 = 90,

    /// <summary>READ (16).</summary>
    Read16 = 136,

    /// <summary>WRITE (16).</summary>
    Write16 = 138,

    /// <summary>VERIFY (16).</summary>
    Verify16 = 143,

    /// <summary>SYNCHRONIZE CACHE (16).</summary>
    SynchronizeCache16 = 145,

    /// <summary>SERVICE ACTION IN (16); action 10h is READ CAPACITY (16).</summary>
    ServiceActionIn16 = 158,

    /// <summary>REPORT LUNS.</summary>
    ReportLuns = 160,

    /// <summary>READ (12).</summary>
    Read12 = 168,

    /// <summary>WRITE (12).</summary>
    Write12 = 170,
}
