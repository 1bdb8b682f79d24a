namespace Dma.Iommu.Spec;

/// <summary>How the requester of an interrupt is checked (VT-d, SVT); 11 is reserved.</summary>
public enum SourceValidationType
{
    /// <summary>00: not at all.</summary>
    None = 0,

    /// <summary>01: compared with SID, as SQ says.</summary>
    Requester = 1,

    /// <summary>10: its bus is within the range that SID gives.</summary>
    BusRange = 2,
}
