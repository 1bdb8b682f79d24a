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
            EnhancedSetRootPointer = true,
        },
        ExtendedCapabilities = new()
        {
            CoherentWalks = true,
            QueuedInvalidation = true,
            DeviceTlb = true,
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
            EnhancedSetRootPointer = false,
        },
        ExtendedCapabilities = _friendly.ExtendedCapabilities with { CoherentWalks = false, SnoopControl = false },
        HostAddressWidth = 39,
        IotlbSets = 13,
        IotlbWays = 5,
        ContextCacheSets = 1,
        ContextCacheWays = 3,
        Replacement = Replacement.Random,
        PrefetchPages = 3,
        CachesFaults = true,
        RewalksBeforeRefusal = false,
        CollapsesFaults = true,
        DeviceSelectiveMatchesDomain = true,
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
        RewalksBeforeRefusal = false,
        RightsOrder = RightsOrder.AtEachLevel,
        CollapsesFaults = true,
        ReportsInterruptRangeRequests = false,
    };

    private static readonly HardwareProfile[] _all =
    [
        _friendly,
        _hostile,
        _minimal,
        _qemu,
        Real("core-2nd-graphics", 1, 0x00C0_0000_20E6_0262, 0x0F_0101A, 36),
        Real("core-2nd", 1, 0x00C9_0080_2066_0262, 0x0F_0105A, 36),
        Real("core-5th", 1, 0x00D2_008C_2066_0462, 0x0F_010DA, 39),
        Real("core-8th", 1, 0x00D2_008C_4066_0462, 0x0F_050DA, 39),
        Real("core-12th", 5, 0x00D2_008C_4066_0462, 0x0F_050DA, 39),
        Real("xeon-e5-v2", 1, 0x00D2_078C_106F_0462, 0x0F_020FE, 46),
        Real("xeon-scalable", 1, 0x08D2_078C_106F_0466, 0x0F_020DF, 46),
    ];

    public static IReadOnlyList<string> Names { get; } = [.. _all.Select(profile => profile.Name)];

    public static HardwareProfile? Find(string name) => _all.FirstOrDefault(profile => profile.Name == name);

    // Registers of machines that exist; what registers do not tell is as in the friendly profile.
    private static HardwareProfile Real(string name, int version, ulong capabilities, ulong extended, int hostAddressWidth) =>
        _friendly with
        {
            Name = name,
            Version = new() { Major = version },
            Capabilities = new(new Bits64(capabilities)),
            ExtendedCapabilities = new(new Bits64(extended)),
            HostAddressWidth = hostAddressWidth,
        };
}
