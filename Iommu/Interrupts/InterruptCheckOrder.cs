namespace Dma.Iommu;

/// <summary>When the requester of an interrupt is checked: the manual's prose and implementations differ. The request is blocked either way.</summary>
public enum InterruptCheckOrder
{
    /// <summary>After all of the entry: one that asks for what the unit does not have is a fault of its own, whoever sends.</summary>
    EntryFirst = 0,

    /// <summary>After reserved bits, and before what the entry asks for.</summary>
    SourceFirst,
}
