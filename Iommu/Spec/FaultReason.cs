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

    /// <summary>A request into the interrupt range that is no interrupt: a read, or no aligned doubleword.</summary>
    InterruptRangeRequest = 0x29,
}
