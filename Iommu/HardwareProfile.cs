using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>One implementation of the architecture: the capabilities that it reports, and what it does where the manual leaves a choice.</summary>
/// <remarks>
/// A capability that is not reported is absent: its registers read as zero, its fields are reserved, its
/// descriptors have no valid type. What no profile varies: descriptors of the invalidation queue are carried out
/// at once when the tail is written, but for those that devices have to complete; write buffers are always empty, so
/// that a flush of them finds nothing to do;
/// memory has no processor caches above it, so that a walk that does not snoop sees the same bytes and memory
/// types (MTS) change nothing. Where VCS, ECMDS or PMS is reported there are no virtual and no enhanced commands
/// and no performance counters to be had: VCCAP, ECCAP and PERFCAP read zero. There is no fault log in memory
/// (AFL), whatever is reported, and the end of a PASID's requests (stop marker) is known without SMS, too. A posted write
/// that is refused is dropped whole, and the requester is told by its port, though a real bus would not.
/// </remarks>
public sealed record HardwareProfile
{
    /// <summary>What it is called.</summary>
    public required string Name { get; init; }

    /// <summary>VER.</summary>
    public VersionRegister Version { get; init; } = new() { Major = 1 };

    /// <summary>CAP.</summary>
    public required CapabilityRegister Capabilities { get; init; }

    /// <summary>ECAP.</summary>
    public required ExtendedCapabilityRegister ExtendedCapabilities { get; init; }

    /// <summary>The host address width, 32 to 52 bits; firmware reports it in the DMAR table.</summary>
    public int HostAddressWidth { get; init; } = 46;

    /// <summary>Sets of the IOTLB; 0 for a unit that caches no translations.</summary>
    public int IotlbSets { get; init; } = 2048;

    /// <summary>Ways of the IOTLB.</summary>
    public int IotlbWays { get; init; } = 4;

    /// <summary>Sets of the context cache; 0 for a unit that caches no context entries.</summary>
    public int ContextCacheSets { get; init; } = 256;

    /// <summary>Ways of the context cache.</summary>
    public int ContextCacheWays { get; init; } = 4;

    /// <summary>Sets of the PASID cache; 0 for a unit that caches no PASID entries.</summary>
    public int PasidCacheSets { get; init; } = 256;

    /// <summary>Ways of the PASID cache.</summary>
    public int PasidCacheWays { get; init; } = 4;

    /// <summary>Sets of the paging-structure caches; 0 for a unit that caches no paging entries but leaves.</summary>
    public int PagingCacheSets { get; init; }

    /// <summary>Ways of the paging-structure caches.</summary>
    public int PagingCacheWays { get; init; } = 4;

    /// <summary>Sets of the interrupt entry cache; 0 for a unit that caches no interrupt remapping entries.</summary>
    public int InterruptCacheSets { get; init; } = 64;

    /// <summary>Ways of the interrupt entry cache.</summary>
    public int InterruptCacheWays { get; init; } = 4;

    /// <summary>Which way of a full set is given up.</summary>
    public Replacement Replacement { get; init; }

    /// <summary>How many pages after the one asked for are translated in advance, where they are mapped; 0 to 511.</summary>
    public int PrefetchPages { get; init; }

    /// <summary>Whether entries that are not present or faulty are cached; without effect unless CAP.CM is set.</summary>
    public bool CachesFaults { get; init; }

    /// <summary>Whether tables are walked again before a cached translation refuses a request.</summary>
    public bool RewalksBeforeRefusal { get; init; } = true;

    /// <summary>Whether a device-selective invalidation of the context cache spares entries of other domains than the one named.</summary>
    public bool DeviceSelectiveMatchesDomain { get; init; }

    /// <summary>When rights are checked relative to reserved bits.</summary>
    public RightsOrder RightsOrder { get; init; }

    /// <summary>When the requester of an interrupt is checked relative to what its entry asks for.</summary>
    public InterruptCheckOrder InterruptCheckOrder { get; init; }

    /// <summary>Whether a fault is dropped while a record holds another one of the same requester.</summary>
    public bool CollapsesFaults { get; init; }

    /// <summary>
    /// Whether the unit knows, of all that it caches, the table write that made it stale, and tells its observer when
    /// a request is answered with it. It answers the same as without, but slower.
    /// </summary>
    public bool TracksStaleness { get; init; }

    /// <summary>Whether requests into the interrupt range that are no interrupts are recorded as faults; they are blocked in any case.</summary>
    public bool ReportsInterruptRangeRequests { get; init; } = true;

    /// <summary>Whether accessed and dirty bits are updated by walks that do not snoop too, as where nothing has caches; else that is a fault.</summary>
    public bool UpdatesWithoutSnooping { get; init; }

    /// <summary>
    /// How long a device may take to complete an invalidation of its TLB, in nanoseconds; after that it has timed out (ITE).
    /// A minute, as PCI Express gives it, unless software shall see it sooner.
    /// </summary>
    public ulong DeviceTlbTimeoutNs { get; init; } = 60_000_000_000;

    /// <summary>The names that <see cref="Named"/> knows.</summary>
    public static IReadOnlyList<string> Names => HardwareProfiles.Names;

    /// <summary>Whether translation requests of this many bits through the second stage are supported: SAGAW.</summary>
    /// <param name="width">The AW field of a context entry.</param>
    public bool Supports(AddressWidth width) =>
        width is AddressWidth.Bits39 or AddressWidth.Bits48 or AddressWidth.Bits57
        && new Bits64((ulong)Capabilities.SupportedWidths).Bit((int)width);

    /// <summary>A unit that reports these registers; what registers do not tell is as in the friendly profile.</summary>
    /// <param name="version">VER.</param>
    /// <param name="capabilities">CAP; bits that no revision defines any more are reported and have no effect.</param>
    /// <param name="extendedCapabilities">ECAP; as CAP.</param>
    /// <param name="hostAddressWidth">32 to 52 bits; no register tells it.</param>
    /// <exception cref="ArgumentException">No unit can have these registers: two of them would lie in the same place, or a field has a value that is reserved.</exception>
    public static HardwareProfile From(
        VersionRegister version, CapabilityRegister capabilities, ExtendedCapabilityRegister extendedCapabilities, int hostAddressWidth = 46)
    {
        HardwareProfile profile = new()
        {
            Name = $"ver {version.Major}:{version.Minor} cap {capabilities.Raw.Value:x} ecap {extendedCapabilities.Raw.Value:x}",
            Version = version,
            Capabilities = capabilities,
            ExtendedCapabilities = extendedCapabilities,
            HostAddressWidth = hostAddressWidth,
        };
        if (hostAddressWidth is < 32 or > 52)
            throw new ArgumentException($"A host address width is 32 to 52 bits, not {hostAddressWidth}.", nameof(hostAddressWidth));
        if (capabilities.DomainsCode == 7)
            throw new ArgumentException($"No unit can have {profile.Name}: 7 is reserved in CAP.ND.", nameof(capabilities));

        // FRO and IRO may put the fault records and the IOTLB registers where other registers are.
        try
        {
            _ = RegisterMap.Create(profile);
        }
        catch (ArgumentException overlap)
        {
            throw new ArgumentException($"No unit can have {profile.Name}: {overlap.Message}", overlap);
        }

        return profile;
    }

    /// <summary>A profile by its name.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static HardwareProfile Named(string name) =>
        HardwareProfiles.Find(name) ?? throw new ArgumentException($"No hardware profile is called '{name}'. There are: {string.Join(", ", Names)}.");
}
