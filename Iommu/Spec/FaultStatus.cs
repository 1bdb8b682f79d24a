using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>FSTS: which faults and errors are pending (VT-d, fault status register).</summary>
/// <param name="Raw">The register; bits 63:32 are zero.</param>
public readonly record struct FaultStatus(Bits64 Raw)
{
    /// <summary>Bit 0, PFO: a fault was lost; written one clears it.</summary>
    public bool PrimaryFaultOverflow
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, PPF: a fault record holds a fault; read only.</summary>
    public bool PrimaryPendingFault
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, AFO: obsolete.</summary>
    public bool AdvancedFaultOverflow
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, APF: obsolete.</summary>
    public bool AdvancedPendingFault
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, IQE: the queue stopped at an error; written one clears it.</summary>
    public bool InvalidationQueueError
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 5, ICE: an unexpected device-TLB completion; written one clears it.</summary>
    public bool InvalidationCompletionError
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }

    /// <summary>Bit 6, ITE: a device-TLB invalidation timed out; written one clears it.</summary>
    public bool InvalidationTimeout
    {
        get => Raw.Bit(6);
        init => Raw = Raw.With(6, value);
    }

    /// <summary>Bits 15:8, FRI: the first record with a fault; valid while PPF is set.</summary>
    public int FaultRecordIndex
    {
        get => (int)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (ulong)value);
    }
}
