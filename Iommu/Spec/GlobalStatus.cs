using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>GSTS: what a unit is doing (VT-d, global status register).</summary>
/// <param name="Raw">The register; bits 63:32 are zero.</param>
public readonly record struct GlobalStatus(Bits64 Raw)
{
    /// <summary>Bit 31, TES: requests are translated.</summary>
    public bool TranslationEnabled
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }

    /// <summary>Bit 30, RTPS: RTADDR was taken.</summary>
    public bool RootTablePointerSet
    {
        get => Raw.Bit(30);
        init => Raw = Raw.With(30, value);
    }

    /// <summary>Bit 29, FLS: AFLOG was taken; obsolete.</summary>
    public bool FaultLogSet
    {
        get => Raw.Bit(29);
        init => Raw = Raw.With(29, value);
    }

    /// <summary>Bit 28, AFLS: faults are logged in memory; obsolete.</summary>
    public bool AdvancedFaultLogEnabled
    {
        get => Raw.Bit(28);
        init => Raw = Raw.With(28, value);
    }

    /// <summary>Bit 27, WBFS: write buffers are being flushed.</summary>
    public bool WriteBufferFlushing
    {
        get => Raw.Bit(27);
        init => Raw = Raw.With(27, value);
    }

    /// <summary>Bit 26, QIES: the invalidation queue runs.</summary>
    public bool QueuedInvalidationEnabled
    {
        get => Raw.Bit(26);
        init => Raw = Raw.With(26, value);
    }

    /// <summary>Bit 25, IRES: interrupts are remapped.</summary>
    public bool InterruptRemappingEnabled
    {
        get => Raw.Bit(25);
        init => Raw = Raw.With(25, value);
    }

    /// <summary>Bit 24, IRTPS: IRTA was taken.</summary>
    public bool InterruptRemapTablePointerSet
    {
        get => Raw.Bit(24);
        init => Raw = Raw.With(24, value);
    }

    /// <summary>Bit 23, CFIS: interrupts in compatibility format pass.</summary>
    public bool CompatibilityFormatInterrupts
    {
        get => Raw.Bit(23);
        init => Raw = Raw.With(23, value);
    }
}
