using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>ECAP: what else a unit can do (VT-d, extended capability register).</summary>
/// <param name="Raw">All 64 bits.</param>
public readonly record struct ExtendedCapabilityRegister(Bits64 Raw)
{
    /// <summary>Bit 0, C: walks of legacy structures snoop the caches.</summary>
    public bool CoherentWalks
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, QI: the invalidation queue.</summary>
    public bool QueuedInvalidation
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, DT: device TLBs.</summary>
    public bool DeviceTlb
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, IR: interrupt remapping.</summary>
    public bool InterruptRemapping
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, EIM: 32-bit APIC ids.</summary>
    public bool ExtendedInterruptMode
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 6, PT: the pass-through translation type.</summary>
    public bool PassThrough
    {
        get => Raw.Bit(6);
        init => Raw = Raw.With(6, value);
    }

    /// <summary>Bit 7, SC: forced snooping.</summary>
    public bool SnoopControl
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bits 17:8, IRO: where the IOTLB registers are, in units of 16 bytes.</summary>
    public int IotlbRegisterOffset
    {
        get => (int)Raw.Bits(17, 8);
        init => Raw = Raw.With(17, 8, (ulong)value);
    }

    /// <summary>Bits 23:20, MHMV: the largest mask of an interrupt entry invalidation.</summary>
    public int MaximumHandleMask
    {
        get => (int)Raw.Bits(23, 20);
        init => Raw = Raw.With(23, 20, (ulong)value);
    }

    /// <summary>Bit 25, MTS: memory types in page tables.</summary>
    public bool MemoryTypes
    {
        get => Raw.Bit(25);
        init => Raw = Raw.With(25, value);
    }

    /// <summary>Bit 26, NEST: nested translation.</summary>
    public bool Nested
    {
        get => Raw.Bit(26);
        init => Raw = Raw.With(26, value);
    }

    /// <summary>Bit 29, PRS: page requests.</summary>
    public bool PageRequests
    {
        get => Raw.Bit(29);
        init => Raw = Raw.With(29, value);
    }

    /// <summary>Bit 30, ERS: requests for execution.</summary>
    public bool ExecuteRequests
    {
        get => Raw.Bit(30);
        init => Raw = Raw.With(30, value);
    }

    /// <summary>Bit 31, SRS: requests with supervisor privilege.</summary>
    public bool SupervisorRequests
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }

    /// <summary>Bit 33, NWFS: the no-write flag of translation requests.</summary>
    public bool NoWriteFlag
    {
        get => Raw.Bit(33);
        init => Raw = Raw.With(33, value);
    }

    /// <summary>Bit 34, EAFS: the extended accessed flag.</summary>
    public bool ExtendedAccessed
    {
        get => Raw.Bit(34);
        init => Raw = Raw.With(34, value);
    }

    /// <summary>Bits 39:35, PSS: the width of PASIDs, less one.</summary>
    public int PasidSizeCode
    {
        get => (int)Raw.Bits(39, 35);
        init => Raw = Raw.With(39, 35, (ulong)value);
    }

    /// <summary>Bit 40, PASID: requests with PASID.</summary>
    public bool ProcessAddressSpaces
    {
        get => Raw.Bit(40);
        init => Raw = Raw.With(40, value);
    }

    /// <summary>Bit 41, DIT: device-TLB invalidations are throttled by hardware.</summary>
    public bool DeviceTlbThrottle
    {
        get => Raw.Bit(41);
        init => Raw = Raw.With(41, value);
    }

    /// <summary>Bit 42, PDS: wait descriptors can drain page requests.</summary>
    public bool PageRequestDrain
    {
        get => Raw.Bit(42);
        init => Raw = Raw.With(42, value);
    }

    /// <summary>Bit 43, SMTS: scalable mode.</summary>
    public bool ScalableMode
    {
        get => Raw.Bit(43);
        init => Raw = Raw.With(43, value);
    }

    /// <summary>Bit 44, VCS: the virtual command registers.</summary>
    public bool VirtualCommands
    {
        get => Raw.Bit(44);
        init => Raw = Raw.With(44, value);
    }

    /// <summary>Bit 45, SSADS: accessed and dirty bits in the second stage.</summary>
    public bool SecondStageAccessedDirty
    {
        get => Raw.Bit(45);
        init => Raw = Raw.With(45, value);
    }

    /// <summary>Bit 46, SSTS: second-stage translation in scalable mode.</summary>
    public bool SecondStage
    {
        get => Raw.Bit(46);
        init => Raw = Raw.With(46, value);
    }

    /// <summary>Bit 47, FSTS: first-stage translation.</summary>
    public bool FirstStage
    {
        get => Raw.Bit(47);
        init => Raw = Raw.With(47, value);
    }

    /// <summary>Bit 48, SMPWCS: walks in scalable mode can be told to snoop.</summary>
    public bool ScalableWalkCoherency
    {
        get => Raw.Bit(48);
        init => Raw = Raw.With(48, value);
    }

    /// <summary>Bit 49, RPS: the RID_PASID field.</summary>
    public bool RidPasid
    {
        get => Raw.Bit(49);
        init => Raw = Raw.With(49, value);
    }

    /// <summary>Bit 51, PMS: performance monitoring.</summary>
    public bool PerformanceMonitoring
    {
        get => Raw.Bit(51);
        init => Raw = Raw.With(51, value);
    }

    /// <summary>Bit 52, ADMS: abort-DMA mode.</summary>
    public bool AbortDma
    {
        get => Raw.Bit(52);
        init => Raw = Raw.With(52, value);
    }

    /// <summary>Bit 53, RPRIVS: the RID_PRIV field.</summary>
    public bool RidPrivilege
    {
        get => Raw.Bit(53);
        init => Raw = Raw.With(53, value);
    }

    /// <summary>Bit 58, SMS: stop markers of page requests.</summary>
    public bool StopMarkers
    {
        get => Raw.Bit(58);
        init => Raw = Raw.With(58, value);
    }
}
