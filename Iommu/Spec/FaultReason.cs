namespace Dma.Iommu.Spec;

/// <summary>Why a request was refused: the FR field of a fault record (VT-d, fault conditions).</summary>
public enum FaultReason
{
    /// <summary>No fault. The architecture leaves the code to software.</summary>
    None = 0,

    /// <summary>LRT.2: the root entry is not present.</summary>
    RootNotPresent = 0x1,

    /// <summary>LCT.2: the context entry is not present.</summary>
    ContextNotPresent = 0x2,

    /// <summary>LCT.4: the context entry asks for what the unit does not have, or its top table cannot be read.</summary>
    ContextInvalid = 0x3,

    /// <summary>LGN.1: the address is wider than the tables, the unit or the host allow.</summary>
    AddressBeyondWidth = 0x4,

    /// <summary>LGN.2: a write, and an entry on the way does not permit writes.</summary>
    WriteNotPermitted = 0x5,

    /// <summary>LGN.3: a read, and an entry on the way does not permit reads.</summary>
    ReadNotPermitted = 0x6,

    /// <summary>LSL.1: a second-stage table below the top one cannot be read.</summary>
    SecondStageAccess = 0x7,

    /// <summary>LRT.1: the root table cannot be read.</summary>
    RootAccess = 0x8,

    /// <summary>LCT.1: the context table cannot be read.</summary>
    ContextAccess = 0x9,

    /// <summary>LRT.3: a reserved bit is set in a present root entry.</summary>
    RootReserved = 0xA,

    /// <summary>LCT.3: a reserved bit is set in a present context entry.</summary>
    ContextReserved = 0xB,

    /// <summary>LSL.2: a reserved bit is set in a present second-stage entry.</summary>
    SecondStageReserved = 0xC,

    /// <summary>LCT.5: a translation request or a translated request, which the translation type does not serve.</summary>
    RequestTypeBlocked = 0xD,

    /// <summary>LGN.4: the translated address lies in the interrupt range.</summary>
    OutputInInterruptRange = 0xE,

    /// <summary>A reserved bit is set in the data of a remappable interrupt request.</summary>
    InterruptRequestReserved = 0x20,

    /// <summary>The index of an interrupt request is beyond the interrupt table, or its entry beyond the host's addresses.</summary>
    InterruptIndexBeyondTable = 0x21,

    /// <summary>The interrupt entry is not present.</summary>
    InterruptEntryNotPresent = 0x22,

    /// <summary>An interrupt entry cannot be read.</summary>
    InterruptEntryAccess = 0x23,

    /// <summary>A reserved bit is set in a present interrupt entry, or it asks for what the unit does not have.</summary>
    InterruptEntryInvalid = 0x24,

    /// <summary>An interrupt request in compatibility format, which is not let through.</summary>
    CompatibilityInterruptBlocked = 0x25,

    /// <summary>The interrupt entry is not for this requester.</summary>
    InterruptSourceInvalid = 0x26,

    /// <summary>A posted-interrupt descriptor cannot be read or written.</summary>
    PostedDescriptorAccess = 0x27,

    /// <summary>A reserved bit is set in a posted-interrupt descriptor.</summary>
    PostedDescriptorReserved = 0x28,

    /// <summary>A request into the interrupt range that is no interrupt: a read, or no aligned doubleword.</summary>
    InterruptRangeRequest = 0x29,

    /// <summary>RTA.1: the mode of translation is none, or one that the unit does not have.</summary>
    TranslationModeInvalid = 0x30,

    /// <summary>RTA.2: a request with PASID in legacy mode.</summary>
    PasidInLegacyMode = 0x31,

    /// <summary>RTA.3: a page request, which legacy mode does not know.</summary>
    PageRequestInLegacyMode = 0x32,

    /// <summary>SRT.1: the scalable-mode root table cannot be read.</summary>
    ScalableRootAccess = 0x38,

    /// <summary>SRT.2: the half of the scalable-mode root entry is not present.</summary>
    ScalableRootNotPresent = 0x39,

    /// <summary>SRT.3: a reserved bit is set in a present half of a scalable-mode root entry.</summary>
    ScalableRootReserved = 0x3A,

    /// <summary>SCT.1: the scalable-mode context table cannot be read.</summary>
    ScalableContextAccess = 0x40,

    /// <summary>SCT.2: the scalable-mode context entry is not present.</summary>
    ScalableContextNotPresent = 0x41,

    /// <summary>SCT.3: a reserved bit is set in a present scalable-mode context entry.</summary>
    ScalableContextReserved = 0x42,

    /// <summary>SCT.4: the scalable-mode context entry enables what the unit does not have.</summary>
    ScalableContextInvalid = 0x43,

    /// <summary>SCT.5: a translation request or a translated request, and DTE is clear.</summary>
    DeviceTlbDisabled = 0x44,

    /// <summary>SCT.6: a request with PASID, and PASIDE is clear.</summary>
    PasidDisabled = 0x45,

    /// <summary>SCT.7: the PASID of the request lies beyond the directory.</summary>
    PasidBeyondDirectory = 0x46,

    /// <summary>SCT.8: a page request, and PRE is clear.</summary>
    PageRequestsDisabled = 0x47,

    /// <summary>SCT.9: a request without PASID, and RID_PASID lies beyond the directory.</summary>
    RequesterPasidBeyondDirectory = 0x48,

    /// <summary>SPD.1: the PASID directory cannot be read.</summary>
    PasidDirectoryAccess = 0x50,

    /// <summary>SPD.2: the PASID directory entry is not present.</summary>
    PasidDirectoryNotPresent = 0x51,

    /// <summary>SPD.3: a reserved bit is set in a present PASID directory entry.</summary>
    PasidDirectoryReserved = 0x52,

    /// <summary>SPT.1: the PASID table cannot be read.</summary>
    PasidEntryAccess = 0x58,

    /// <summary>SPT.2: the PASID entry is not present.</summary>
    PasidEntryNotPresent = 0x59,

    /// <summary>SPT.3: a reserved bit is set in a present PASID entry.</summary>
    PasidEntryReserved = 0x5A,

    /// <summary>SPT.4: the PASID entry asks for what the unit does not have.</summary>
    PasidEntryInvalid = 0x5B,

    /// <summary>SPT.5: a request to execute, and ERE is clear.</summary>
    ExecuteRequestsDisabled = 0x5C,

    /// <summary>SPT.6: a supervisor request, and SRE is clear.</summary>
    SupervisorRequestsDisabled = 0x5D,

    /// <summary>SFS.1: a first-stage table below the top one cannot be read.</summary>
    FirstStageAccess = 0x70,

    /// <summary>SFS.2: a first-stage entry is not present.</summary>
    FirstStageNotPresent = 0x71,

    /// <summary>SFS.3: a reserved bit is set in a present first-stage entry.</summary>
    FirstStageReserved = 0x72,

    /// <summary>SFS.4: the top table of the first stage cannot be read.</summary>
    FirstStageTopAccess = 0x73,

    /// <summary>SFS.5: nested, and the address of a first-stage table is wider than the second stage allows.</summary>
    NestedTableBeyondWidth = 0x74,

    /// <summary>SFS.6: nested, and the second stage does not permit to read the top table of the first stage.</summary>
    NestedTopTableNotReadable = 0x75,

    /// <summary>SFS.7: nested, and the second stage does not permit to read a lower table of the first stage.</summary>
    NestedTableNotReadable = 0x76,

    /// <summary>SFS.8: nested, an accessed or dirty bit is to be set, and the second stage does not permit to write the table.</summary>
    NestedTableNotWritable = 0x77,

    /// <summary>SSS.1: in scalable mode, a second-stage table below the top one cannot be read.</summary>
    ScalableSecondStageAccess = 0x78,

    /// <summary>SSS.2: in scalable mode, a second-stage entry is not present.</summary>
    ScalableSecondStageNotPresent = 0x79,

    /// <summary>SSS.3: in scalable mode, a reserved bit is set in a present second-stage entry.</summary>
    ScalableSecondStageReserved = 0x7A,

    /// <summary>SSS.4: in scalable mode, the top table of the second stage cannot be read.</summary>
    ScalableSecondStageTopAccess = 0x7B,

    /// <summary>SSS.5: a second-stage accessed or dirty bit is to be set, and the walk does not snoop.</summary>
    SecondStageUpdateNotSnooped = 0x7C,

    /// <summary>SSS.6: a second-stage accessed or dirty bit cannot be set.</summary>
    SecondStageUpdateFailed = 0x7D,

    /// <summary>SGN.1: the address is not canonical.</summary>
    AddressNotCanonical = 0x80,

    /// <summary>SGN.2: a user request, and a first-stage entry on the way permits none.</summary>
    UserNotPermitted = 0x81,

    /// <summary>SGN.3: a request to execute, and the first stage does not permit that.</summary>
    ExecuteNotPermitted = 0x82,

    /// <summary>SGN.4: an address that is not translated is wider than the host allows.</summary>
    AddressBeyondHost = 0x83,

    /// <summary>SGN.5: in scalable mode, the address is wider than the second stage or the unit allow.</summary>
    ScalableAddressBeyondWidth = 0x84,

    /// <summary>SGN.6: in scalable mode, a write, and an entry on the way does not permit writes.</summary>
    ScalableWriteNotPermitted = 0x85,

    /// <summary>SGN.7: in scalable mode, a read, and a second-stage entry on the way does not permit reads.</summary>
    ScalableReadNotPermitted = 0x86,

    /// <summary>SGN.8: in scalable mode, the translated address lies in the interrupt range.</summary>
    ScalableOutputInInterruptRange = 0x87,

    /// <summary>SFS.9: a first-stage accessed or dirty bit is to be set, and the walk does not snoop.</summary>
    FirstStageUpdateNotSnooped = 0x90,

    /// <summary>SFS.10: a first-stage accessed or dirty bit cannot be set.</summary>
    FirstStageUpdateFailed = 0x91,
}
