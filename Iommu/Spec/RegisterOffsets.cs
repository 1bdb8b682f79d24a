namespace Dma.Iommu.Spec;

/// <summary>Where the registers of a unit are, in bytes from the start of its window (VT-d, register descriptions).</summary>
/// <remarks>The IOTLB registers and the fault records move with ECAP.IRO and CAP.FRO.</remarks>
public static class RegisterOffsets
{
    /// <summary>VER, 32 bits.</summary>
    public const int Version = 0x000;

    /// <summary>CAP, 64 bits.</summary>
    public const int Capability = 0x008;

    /// <summary>ECAP, 64 bits.</summary>
    public const int ExtendedCapability = 0x010;

    /// <summary>GCMD, 32 bits.</summary>
    public const int GlobalCommand = 0x018;

    /// <summary>GSTS, 32 bits.</summary>
    public const int GlobalStatus = 0x01C;

    /// <summary>RTADDR, 64 bits.</summary>
    public const int RootTableAddress = 0x020;

    /// <summary>CCMD, 64 bits.</summary>
    public const int ContextCommand = 0x028;

    /// <summary>FSTS, 32 bits.</summary>
    public const int FaultStatus = 0x034;

    /// <summary>FECTL, 32 bits.</summary>
    public const int FaultEventControl = 0x038;

    /// <summary>FEDATA, 32 bits.</summary>
    public const int FaultEventData = 0x03C;

    /// <summary>FEADDR, 32 bits.</summary>
    public const int FaultEventAddress = 0x040;

    /// <summary>FEUADDR, 32 bits.</summary>
    public const int FaultEventUpperAddress = 0x044;

    /// <summary>PMEN, 32 bits.</summary>
    public const int ProtectedMemoryEnable = 0x064;

    /// <summary>PLMBASE, 32 bits.</summary>
    public const int ProtectedLowBase = 0x068;

    /// <summary>PLMLIMIT, 32 bits.</summary>
    public const int ProtectedLowLimit = 0x06C;

    /// <summary>PHMBASE, 64 bits.</summary>
    public const int ProtectedHighBase = 0x070;

    /// <summary>PHMLIMIT, 64 bits.</summary>
    public const int ProtectedHighLimit = 0x078;

    /// <summary>IQH, 64 bits.</summary>
    public const int InvalidationQueueHead = 0x080;

    /// <summary>IQT, 64 bits.</summary>
    public const int InvalidationQueueTail = 0x088;

    /// <summary>IQA, 64 bits.</summary>
    public const int InvalidationQueueAddress = 0x090;

    /// <summary>ICS, 32 bits.</summary>
    public const int InvalidationCompletionStatus = 0x09C;

    /// <summary>IECTL, 32 bits.</summary>
    public const int InvalidationEventControl = 0x0A0;

    /// <summary>IEDATA, 32 bits.</summary>
    public const int InvalidationEventData = 0x0A4;

    /// <summary>IEADDR, 32 bits.</summary>
    public const int InvalidationEventAddress = 0x0A8;

    /// <summary>IEUADDR, 32 bits.</summary>
    public const int InvalidationEventUpperAddress = 0x0AC;

    /// <summary>IQERCD, 64 bits.</summary>
    public const int InvalidationQueueErrorRecord = 0x0B0;

    /// <summary>IRTA, 64 bits.</summary>
    public const int InterruptTableAddress = 0x0B8;

    /// <summary>PQH, 64 bits.</summary>
    public const int PageRequestQueueHead = 0x0C0;

    /// <summary>PQT, 64 bits.</summary>
    public const int PageRequestQueueTail = 0x0C8;

    /// <summary>PQA, 64 bits.</summary>
    public const int PageRequestQueueAddress = 0x0D0;

    /// <summary>PRS, 32 bits.</summary>
    public const int PageRequestStatus = 0x0DC;

    /// <summary>PECTL, 32 bits.</summary>
    public const int PageRequestEventControl = 0x0E0;

    /// <summary>PEDATA, 32 bits.</summary>
    public const int PageRequestEventData = 0x0E4;

    /// <summary>PEADDR, 32 bits.</summary>
    public const int PageRequestEventAddress = 0x0E8;

    /// <summary>PEUADDR, 32 bits.</summary>
    public const int PageRequestEventUpperAddress = 0x0EC;

    /// <summary>How many registers of fixed ranges there are.</summary>
    public const int MtrrFixedRanges = 11;

    /// <summary>How many pairs of registers of variable ranges there are.</summary>
    public const int MtrrVariableRanges = 10;

    /// <summary>MTRRCAP, 64 bits.</summary>
    public const int MtrrCapability = 0x100;

    /// <summary>MTRRDEF, 64 bits.</summary>
    public const int MtrrDefault = 0x108;

    /// <summary>The MTRRs of fixed ranges, 64 bits each, from that of 64 KiB pieces at 0 on.</summary>
    public const int MtrrFixed = 0x120;

    /// <summary>The MTRRs of variable ranges: base and mask, 64 bits each.</summary>
    public const int MtrrVariable = 0x180;

    /// <summary>ECMD, 64 bits.</summary>
    public const int EnhancedCommand = 0x400;

    /// <summary>ECEO, 64 bits.</summary>
    public const int EnhancedCommandOperand = 0x408;

    /// <summary>ECRSP, 64 bits.</summary>
    public const int EnhancedCommandResponse = 0x410;

    /// <summary>IVA, 64 bits.</summary>
    public static int InvalidateAddress(ExtendedCapabilityRegister capabilities) => capabilities.IotlbRegisterOffset * 16;

    /// <summary>IOTLB_REG, 64 bits.</summary>
    public static int IotlbInvalidate(ExtendedCapabilityRegister capabilities) => InvalidateAddress(capabilities) + 8;

    /// <summary>FRCD, 128 bits each.</summary>
    /// <param name="capabilities">CAP of the unit.</param>
    /// <param name="index">0 to CAP.NFR.</param>
    public static int FaultRecord(CapabilityRegister capabilities, int index) => (capabilities.FaultRecordOffset + index) * 16;
}
