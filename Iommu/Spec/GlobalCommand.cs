using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>GCMD: one bit for each thing that a unit can be told to do (VT-d, global command register).</summary>
/// <remarks>Software keeps the bits that are levels as GSTS shows them and changes one bit with each write.</remarks>
/// <param name="Raw">The register; bits 63:32 are zero.</param>
public readonly record struct GlobalCommand(Bits64 Raw)
{
    /// <summary>Bit 31, TE: translate requests.</summary>
    public bool TranslationEnable
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }

    /// <summary>Bit 30, SRTP: take the value of RTADDR; one shot.</summary>
    public bool SetRootTablePointer
    {
        get => Raw.Bit(30);
        init => Raw = Raw.With(30, value);
    }

    /// <summary>Bit 29, SFL: take the value of AFLOG; one shot, obsolete.</summary>
    public bool SetFaultLog
    {
        get => Raw.Bit(29);
        init => Raw = Raw.With(29, value);
    }

    /// <summary>Bit 28, EAFL: log faults in memory; obsolete.</summary>
    public bool EnableAdvancedFaultLog
    {
        get => Raw.Bit(28);
        init => Raw = Raw.With(28, value);
    }

    /// <summary>Bit 27, WBF: flush write buffers; one shot, only where CAP.RWBF.</summary>
    public bool WriteBufferFlush
    {
        get => Raw.Bit(27);
        init => Raw = Raw.With(27, value);
    }

    /// <summary>Bit 26, QIE: run the invalidation queue.</summary>
    public bool QueuedInvalidationEnable
    {
        get => Raw.Bit(26);
        init => Raw = Raw.With(26, value);
    }

    /// <summary>Bit 25, IRE: remap interrupts.</summary>
    public bool InterruptRemappingEnable
    {
        get => Raw.Bit(25);
        init => Raw = Raw.With(25, value);
    }

    /// <summary>Bit 24, SIRTP: take the value of IRTA; one shot.</summary>
    public bool SetInterruptRemapTablePointer
    {
        get => Raw.Bit(24);
        init => Raw = Raw.With(24, value);
    }

    /// <summary>Bit 23, CFI: let interrupts in compatibility format pass.</summary>
    public bool CompatibilityFormatInterrupt
    {
        get => Raw.Bit(23);
        init => Raw = Raw.With(23, value);
    }
}
