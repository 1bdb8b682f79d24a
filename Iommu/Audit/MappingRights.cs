namespace Dma.Iommu;

/// <summary>What all entries on the way to a page grant together.</summary>
[Flags]
public enum MappingRights
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Reads; a first stage always grants them.</summary>
    Read = 1,

    /// <summary>Writes.</summary>
    Write = 2,

    /// <summary>First stage only: execution.</summary>
    Execute = 4,

    /// <summary>First stage only: the rights hold for user requests too.</summary>
    User = 8,
}
