using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What is to be audited.</summary>
public sealed record AuditRequest
{
    /// <summary>The root table.</summary>
    public required PhysicalAddress Root { get; init; }

    /// <summary>Legacy or scalable; the other modes have no tables.</summary>
    public TranslationTableMode Mode { get; init; }

    /// <summary>The interrupt remapping table, where there is one.</summary>
    public InterruptTableAddress? InterruptTable { get; init; }

    /// <summary>The unit that the tables are for: it decides what is reserved and what is supported.</summary>
    public HardwareProfile Profile { get; init; } = AnyUnit;

    /// <summary>Frames that may be mapped by several domains, because firmware or software says so.</summary>
    public IReadOnlyList<AuditedRange> SharedOnPurpose { get; init; } = [];

    /// <summary>Where the audit stops, whatever is in memory.</summary>
    public AuditLimits Limits { get; init; } = new();

    /// <summary>Told now and then how far the audit is: how many of the pages of tables it has read, each time it reads one, and how many there are.</summary>
    public Action<ulong, ulong>? Progress { get; init; }

    /// <summary>A unit that has everything, for tables of which no capabilities are known.</summary>
    public static HardwareProfile AnyUnit { get; } = new()
    {
        Name = "any",
        Version = new() { Major = 4 },
        HostAddressWidth = 52,
        Capabilities = new()
        {
            DomainsCode = 6,
            SupportedWidths = 0b01110,
            MaximumWidthCode = 56,
            SecondStage2M = true,
            SecondStage1G = true,
            FirstStage1G = true,
            FirstStage5Level = true,
            PostedInterrupts = true,
        },
        ExtendedCapabilities = new()
        {
            QueuedInvalidation = true,
            DeviceTlb = true,
            InterruptRemapping = true,
            ExtendedInterruptMode = true,
            PassThrough = true,
            SnoopControl = true,
            MemoryTypes = true,
            Nested = true,
            PageRequests = true,
            ExecuteRequests = true,
            SupervisorRequests = true,
            ExtendedAccessed = true,
            PasidSizeCode = 19,
            ProcessAddressSpaces = true,
            ScalableMode = true,
            SecondStageAccessedDirty = true,
            SecondStage = true,
            FirstStage = true,
            ScalableWalkCoherency = true,
            RidPasid = true,
            RidPrivilege = true,
        },
    };
}
