namespace Dma.Iommu.Spec;

/// <summary>How the requests of a PASID are translated (VT-d, PGTT); other encodings are reserved.</summary>
public enum PasidTranslationType
{
    /// <summary>001: by first-stage tables alone.</summary>
    FirstStage = 1,

    /// <summary>010: by second-stage tables alone.</summary>
    SecondStage = 2,

    /// <summary>011: by first-stage tables whose addresses the second stage translates.</summary>
    Nested = 3,

    /// <summary>100: not at all.</summary>
    PassThrough = 4,
}
