namespace Dma.Iommu;

/// <summary>What a walk checks on its way.</summary>
public enum WalkCheckKind
{
    /// <summary>The entry is in memory that answers.</summary>
    Readable,

    /// <summary>The entry is present.</summary>
    Present,

    /// <summary>No reserved bit is set.</summary>
    ReservedBits,

    /// <summary>The width of addresses is one that the unit has.</summary>
    AddressWidth,

    /// <summary>The translation type is one that the unit has.</summary>
    TranslationType,

    /// <summary>Requests of this address type are served.</summary>
    RequestType,

    /// <summary>The address is not wider than the tables, the unit or the host allow; the mask is the highest address.</summary>
    InputAddress,

    /// <summary>The entries on the way permit the access; the mask is the permission wanted.</summary>
    Permission,

    /// <summary>The translated address is not in the interrupt range.</summary>
    OutputAddress,

    /// <summary>The mode of translation is one that the unit has.</summary>
    TranslationMode,

    /// <summary>An entry enables only what the unit has; the mask is what it may not need to enable.</summary>
    Capability,

    /// <summary>Requests with PASID are served, by the mode or by the context entry; the mask is the bit that enables them.</summary>
    PasidRequest,

    /// <summary>The PASID lies in the directory; the mask is the highest one that does.</summary>
    PasidRange,

    /// <summary>Requests to execute are served.</summary>
    ExecuteRequest,

    /// <summary>Requests with supervisor privilege are served.</summary>
    SupervisorRequest,

    /// <summary>The number of first-stage levels is one that the unit has.</summary>
    PagingMode,

    /// <summary>The address is canonical; the mask is the bits that must be equal.</summary>
    CanonicalAddress,

    /// <summary>The walk snoops, as the update of an entry needs; the mask is the bits to be set.</summary>
    Snoop,

    /// <summary>The entry can be updated; the mask is the bits to be set.</summary>
    Update,
}
