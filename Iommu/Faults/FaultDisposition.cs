namespace Dma.Iommu;

/// <summary>What became of a fault after it was detected.</summary>
public enum FaultDisposition
{
    /// <summary>Never detected.</summary>
    None = 0,

    /// <summary>A fault record holds it.</summary>
    Recorded,

    /// <summary>An entry on the way disables the processing of its faults (FPD), or the unit does not record faults of this kind.</summary>
    Suppressed,

    /// <summary>A record holds another fault of the same requester, and the unit keeps one for each.</summary>
    Collapsed,

    /// <summary>No record was free; the overflow bit says so.</summary>
    Lost,
}
