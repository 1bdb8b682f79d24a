namespace Dma.Iommu;

/// <summary>How cached translations were made, which decides what invalidates them.</summary>
internal enum TranslationKind
{
    /// <summary>In legacy mode, by second-stage tables or not at all; tagged with the domain alone.</summary>
    Legacy = 0,

    /// <summary>By second-stage tables alone; tagged with domain and PASID, as are the others.</summary>
    SecondStage,

    /// <summary>By first-stage tables alone.</summary>
    FirstStage,

    /// <summary>By first-stage tables whose addresses the second stage translates.</summary>
    Nested,

    /// <summary>Not at all.</summary>
    PassThrough,
}
