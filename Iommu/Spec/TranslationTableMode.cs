namespace Dma.Iommu.Spec;

/// <summary>The TTM field: which structures the root table begins (VT-d, root table address register).</summary>
public enum TranslationTableMode
{
    /// <summary>Legacy mode.</summary>
    Legacy = 0,

    /// <summary>Scalable mode; needs ECAP.SMTS.</summary>
    Scalable = 1,

    /// <summary>No meaning.</summary>
    Reserved = 2,

    /// <summary>All requests are aborted; needs ECAP.ADMS.</summary>
    Abort = 3,
}
