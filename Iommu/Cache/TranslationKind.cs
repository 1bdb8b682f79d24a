namespace Dma.Iommu;

/// <summary>How cached translations were made, which decides what invalidates them.</summary>
internal enum TranslationKind
{
    /// <summary>By second-stage tables alone, or in legacy mode not at all; tagged with the domain.</summary>
    SecondStage = 0,

    /// <summary>By first-stage tables alone; tagged with domain and PASID, as are the others.</summary>
    FirstStage,

    /// <summary>By first-stage tables whose addresses the second stage translates.</summary>
    Nested,

    /// <summary>Not at all, in scalable mode.</summary>
    PassThrough,
}
