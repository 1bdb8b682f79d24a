namespace Dma.Iommu.Spec;

/// <summary>Which bits of the function number a comparison with SID leaves out (VT-d, SQ).</summary>
public enum SourceIdQualifier
{
    /// <summary>00: all sixteen bits are compared.</summary>
    All = 0,

    /// <summary>01: bit 2 is left out.</summary>
    IgnoreBit2 = 1,

    /// <summary>10: bits 2:1 are left out.</summary>
    IgnoreBits2To1 = 2,

    /// <summary>11: bits 2:0 are left out.</summary>
    IgnoreBits2To0 = 3,
}
