namespace Dma.Iommu.Spec;

/// <summary>What a legacy context entry does with requests: the TT field (VT-d, context entry).</summary>
public enum TranslationType
{
    /// <summary>Untranslated requests go through the second stage; translation requests and translated requests are blocked.</summary>
    UntranslatedOnly = 0,

    /// <summary>As before, and translation requests are served and translated requests pass. Needs ECAP.DT.</summary>
    WithDeviceTlb = 1,

    /// <summary>Untranslated requests pass untranslated; others are blocked. Needs ECAP.PT.</summary>
    PassThrough = 2,

    /// <summary>No meaning; faults as an invalid context entry.</summary>
    Reserved = 3,
}
