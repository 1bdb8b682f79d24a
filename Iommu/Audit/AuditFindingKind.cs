namespace Dma.Iommu;

/// <summary>What an audit looks for.</summary>
public enum AuditFindingKind
{
    /// <summary>A device can write a table that remapping itself relies on: it can give itself anything. A violation.</summary>
    TableWritable = 1,

    /// <summary>A device can read such a table: it learns where things are.</summary>
    TableReadable,

    /// <summary>Two domains reach a frame, one of them may write it, and nothing says that this is meant. A violation.</summary>
    FrameSharedWritable,

    /// <summary>Two domains may read a frame and neither may write it.</summary>
    FrameSharedReadOnly,

    /// <summary>Requests of a function, or those with some of its PASIDs, are not translated: they reach all of memory, the tables included. A violation.</summary>
    PassThrough,

    /// <summary>Two sets of tables under one domain-id: a cached translation of one answers for the other. A violation.</summary>
    DomainIdOfTwoDomains,

    /// <summary>Requests that claim to be translated already are believed: isolation rests on the device.</summary>
    TranslatedRequestsPass,

    /// <summary>An interrupt entry that any requester may use.</summary>
    InterruptOfAnyRequester,
}
