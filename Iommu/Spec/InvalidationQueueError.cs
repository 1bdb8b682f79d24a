namespace Dma.Iommu.Spec;

/// <summary>Why the queue stopped: the IQEI field (VT-d, invalidation queue error record register).</summary>
public enum InvalidationQueueError
{
    /// <summary>No information.</summary>
    None = 0,

    /// <summary>The tail lies beyond the queue.</summary>
    InvalidTail = 1,

    /// <summary>A descriptor could not be read.</summary>
    FetchError = 2,

    /// <summary>The type of a descriptor has no meaning, or none in this mode and width.</summary>
    InvalidType = 3,

    /// <summary>A descriptor of a valid type has a reserved bit or code.</summary>
    ReservedField = 4,

    /// <summary>Descriptors of 256 bits on a unit that has none.</summary>
    InvalidWidth = 5,

    /// <summary>The tail points into the middle of a descriptor of 256 bits.</summary>
    MisalignedTail = 6,

    /// <summary>The mode of translation is reserved.</summary>
    InvalidMode = 7,
}
