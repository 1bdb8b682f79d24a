using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>CAP: what a unit can do (VT-d, capability register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct CapabilityRegister(Bits64 Raw)
{
    /// <summary>Bits 2:0, ND: domain-ids have 4 + 2 x ND bits; 7 is reserved.</summary>
    public int DomainsCode
    {
        get => (int)Raw.Bits(2, 0);
        init => Raw = Raw.With(2, 0, (ulong)value);
    }

    /// <summary>Bit 3, AFL: the fault log in memory of old revisions.</summary>
    public bool AdvancedFaultLogging
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, RWBF: software must flush write buffers after it changed tables.</summary>
    public bool RequiredWriteBufferFlush
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 5, PLMR: a protected region below 4 GiB.</summary>
    public bool ProtectedLowMemory
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }

    /// <summary>Bit 6, PHMR: a protected region above 4 GiB.</summary>
    public bool ProtectedHighMemory
    {
        get => Raw.Bit(6);
        init => Raw = Raw.With(6, value);
    }

    /// <summary>Bit 7, CM: entries that are not present or faulty may be cached.</summary>
    public bool CachingMode
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bits 12:8, SAGAW: bit 1: 39 bits, bit 2: 48 bits, bit 3: 57 bits; others are reserved.</summary>
    public int SupportedWidths
    {
        get => (int)Raw.Bits(12, 8);
        init => Raw = Raw.With(12, 8, (ulong)value);
    }

    /// <summary>Bits 21:16, MGAW: the maximum guest address width, less one.</summary>
    public int MaximumWidthCode
    {
        get => (int)Raw.Bits(21, 16);
        init => Raw = Raw.With(21, 16, (ulong)value);
    }

    /// <summary>Bit 22, ZLR: zero-length reads of write-only pages pass.</summary>
    public bool ZeroLengthRead
    {
        get => Raw.Bit(22);
        init => Raw = Raw.With(22, value);
    }

    /// <summary>Bits 33:24, FRO: where the fault records are, in units of 16 bytes.</summary>
    public int FaultRecordOffset
    {
        get => (int)Raw.Bits(33, 24);
        init => Raw = Raw.With(33, 24, (ulong)value);
    }

    /// <summary>Bit 34, SSLPS: 2 MiB pages in the second stage.</summary>
    public bool SecondStage2M
    {
        get => Raw.Bit(34);
        init => Raw = Raw.With(34, value);
    }

    /// <summary>Bit 35, SSLPS: 1 GiB pages in the second stage.</summary>
    public bool SecondStage1G
    {
        get => Raw.Bit(35);
        init => Raw = Raw.With(35, value);
    }

    /// <summary>Bit 39, PSI: page-selective invalidation of the IOTLB.</summary>
    public bool PageSelectiveInvalidation
    {
        get => Raw.Bit(39);
        init => Raw = Raw.With(39, value);
    }

    /// <summary>Bits 47:40, NFR: the number of fault records, less one.</summary>
    public int FaultRecordsCode
    {
        get => (int)Raw.Bits(47, 40);
        init => Raw = Raw.With(47, 40, (ulong)value);
    }

    /// <summary>Bits 53:48, MAMV: the largest address mask of an invalidation.</summary>
    public int MaximumAddressMask
    {
        get => (int)Raw.Bits(53, 48);
        init => Raw = Raw.With(53, 48, (ulong)value);
    }

    /// <summary>Bit 54, DWD: invalidations can drain writes.</summary>
    public bool WriteDrain
    {
        get => Raw.Bit(54);
        init => Raw = Raw.With(54, value);
    }

    /// <summary>Bit 55, DRD: invalidations can drain reads.</summary>
    public bool ReadDrain
    {
        get => Raw.Bit(55);
        init => Raw = Raw.With(55, value);
    }

    /// <summary>Bit 56, FS1GP: 1 GiB pages in the first stage.</summary>
    public bool FirstStage1G
    {
        get => Raw.Bit(56);
        init => Raw = Raw.With(56, value);
    }

    /// <summary>Bit 59, PI: posted interrupts.</summary>
    public bool PostedInterrupts
    {
        get => Raw.Bit(59);
        init => Raw = Raw.With(59, value);
    }

    /// <summary>Bit 60, FS5LP: five levels in the first stage.</summary>
    public bool FirstStage5Level
    {
        get => Raw.Bit(60);
        init => Raw = Raw.With(60, value);
    }

    /// <summary>Bit 61, ECMDS: the enhanced command registers.</summary>
    public bool EnhancedCommands
    {
        get => Raw.Bit(61);
        init => Raw = Raw.With(61, value);
    }

    /// <summary>Bit 62, ESIRTPS: setting the interrupt table pointer also invalidates.</summary>
    public bool EnhancedSetInterruptPointer
    {
        get => Raw.Bit(62);
        init => Raw = Raw.With(62, value);
    }

    /// <summary>Bit 63, ESRTPS: setting the root table pointer also invalidates.</summary>
    public bool EnhancedSetRootPointer
    {
        get => Raw.Bit(63);
        init => Raw = Raw.With(63, value);
    }
}
