using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The profiles that have names.</summary>
internal static class HardwareProfiles
{
    private static readonly HardwareProfile _friendly = new()
    {
        Name = "friendly",
        Capabilities = new()
        {
            DomainsCode = 6,
            SupportedWidths = 0b01110,
            MaximumWidthCode = 56,
            ZeroLengthRead = true,
            FaultRecordOffset = 0xC0,
            SecondStage2M = true,
            SecondStage1G = true,
            PageSelectiveInvalidation = true,
            FaultRecordsCode = 7,
            MaximumAddressMask = 18,
            WriteDrain = true,
            ReadDrain = true,
            PostedInterrupts = true,
            EnhancedSetInterruptPointer = true,
            EnhancedSetRootPointer = true,
        },
        ExtendedCapabilities = new()
        {
            CoherentWalks = true,
            QueuedInvalidation = true,
            DeviceTlb = true,
            InterruptRemapping = true,
            ExtendedInterruptMode = true,
            MaximumHandleMask = 15,
            PassThrough = true,
            SnoopControl = true,
            IotlbRegisterOffset = 0x50,
        },
    };

    // Everything that the manual allows and that careless software trips over.
    private static readonly HardwareProfile _hostile = _friendly with
    {
        Name = "hostile",
        Capabilities = _friendly.Capabilities with
        {
            DomainsCode = 4,
            RequiredWriteBufferFlush = true,
            CachingMode = true,
            SupportedWidths = 0b00100,
            MaximumWidthCode = 47,
            ZeroLengthRead = false,
            SecondStage2M = false,
            SecondStage1G = false,
            FaultRecordsCode = 0,
            MaximumAddressMask = 9,
            EnhancedSetInterruptPointer = false,
            EnhancedSetRootPointer = false,
        },
        ExtendedCapabilities = _friendly.ExtendedCapabilities with
        {
            CoherentWalks = false,
            ExtendedInterruptMode = false,
            MaximumHandleMask = 0,
            SnoopControl = false,
        },
        HostAddressWidth = 39,
        IotlbSets = 13,
        IotlbWays = 5,
        ContextCacheSets = 1,
        ContextCacheWays = 3,
        PasidCacheSets = 3,
        PasidCacheWays = 2,
        PagingCacheSets = 7,
        PagingCacheWays = 3,
        InterruptCacheSets = 3,
        InterruptCacheWays = 2,
        Replacement = Replacement.Random,
        PrefetchPages = 3,
        CachesFaults = true,
        RewalksBeforeRefusal = false,
        InterruptCheckOrder = InterruptCheckOrder.SourceFirst,
        CollapsesFaults = true,
        DeviceSelectiveMatchesDomain = true,
        TracksStaleness = true,
    };

    // As little as the architecture lets a unit have.
    private static readonly HardwareProfile _minimal = new()
    {
        Name = "minimal",
        Capabilities = new()
        {
            SupportedWidths = 0b00010,
            MaximumWidthCode = 38,
            FaultRecordOffset = 0x20,
        },
        ExtendedCapabilities = new() { IotlbRegisterOffset = 0x10 },
        HostAddressWidth = 36,
        IotlbSets = 16,
        IotlbWays = 1,
        ContextCacheSets = 4,
        ContextCacheWays = 1,
        ReportsInterruptRangeRequests = false,
    };

    private static readonly HardwareProfile _qemu = new()
    {
        Name = "qemu",
        Capabilities = new(new(0x80D2_008C_222F_0606)),
        ExtendedCapabilities = new(new(0xF0_0F4A)),
        HostAddressWidth = 48,
        IotlbSets = 1024,
        IotlbWays = 1,
        PasidCacheSets = 0,
        InterruptCacheSets = 0,
        RewalksBeforeRefusal = false,
        RightsOrder = RightsOrder.AtEachLevel,
        CollapsesFaults = true,
        ReportsInterruptRangeRequests = false,
        UpdatesWithoutSnooping = true,
    };

    // The friendly unit with all that scalable mode has.
    private static readonly HardwareProfile _friendlyScalable = _friendly with
    {
        Name = "friendly-scalable",
        Version = new() { Major = 5 },
        Capabilities = _friendly.Capabilities with { FirstStage1G = true, FirstStage5Level = true },
        ExtendedCapabilities = Scalable(_friendly.ExtendedCapabilities),
    };

    // The newest architecture, which has no commands by register, with everything that careless software trips over.
    private static readonly HardwareProfile _hostileScalable = _hostile with
    {
        Name = "hostile-scalable",
        Version = new() { Major = 6 },
        Capabilities = _hostile.Capabilities with { FirstStage1G = true, FirstStage5Level = true },
        ExtendedCapabilities = Scalable(_hostile.ExtendedCapabilities),
    };

    private static readonly HardwareProfile[] _all =
    [
        _friendly,
        _hostile,
        _minimal,
        _friendlyScalable,
        _hostileScalable,
        _qemu,
        .. RealUnits.All,
    ];

    public static IReadOnlyList<string> Names { get; } = [.. _all.Select(profile => profile.Name)];

    public static HardwareProfile? Find(string name) => _all.FirstOrDefault(profile => profile.Name == name);

    private static ExtendedCapabilityRegister Scalable(ExtendedCapabilityRegister legacy) => legacy with
    {
        Nested = true,
        PageRequests = true,
        ExecuteRequests = true,
        SupervisorRequests = true,
        ExtendedAccessed = true,
        PasidSizeCode = 19,
        ProcessAddressSpaces = true,
        PageRequestDrain = true,
        ScalableMode = true,
        SecondStageAccessedDirty = true,
        SecondStage = true,
        FirstStage = true,
        ScalableWalkCoherency = true,
        RidPasid = true,
        AbortDma = true,
        RidPrivilege = true,
    };
}
