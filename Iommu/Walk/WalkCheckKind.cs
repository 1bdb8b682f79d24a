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
}
