using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What the shape of the host's PCI hierarchy means for telling its devices apart, read from configuration space.</summary>
/// <param name="configuration">The way to configuration space; buses are numbered already.</param>
internal sealed class PciTopology(IPciConfiguration configuration)
{
    private const int Type = 2;
    private const int TypeShift = 4;
    private const int TypeMask = 0xF;
    private const int AccessControl = 4;
    private const int AccessControlBytes = 8;

    private IReadOnlyList<PciFunctionInfo>? _functions;
    private Dictionary<byte, SourceId>? _bridges;

    /// <summary>All bridges.</summary>
    public IEnumerable<SourceId> Bridges => BridgesByBus.Values;

    private IReadOnlyList<PciFunctionInfo> Functions => _functions ??= PciScan.Enumerate(configuration);

    private Dictionary<byte, SourceId> BridgesByBus => _bridges ??= Functions
        .Where(function => function.SecondaryBus != 0)
        .ToDictionary(function => function.SecondaryBus, function => function.Location);

    /// <summary>Something was plugged in or pulled out: what is known is read again when it is needed.</summary>
    public void Forget() => (_functions, _bridges) = (null, null);

    /// <summary>The bridge right above a bus; null above bus 0.</summary>
    public SourceId? BridgeAbove(byte bus) => BridgesByBus.TryGetValue(bus, out SourceId bridge) ? bridge : null;

    /// <summary>All functions as they decide who can be kept apart. What a function says about itself and cannot be read counts as nothing.</summary>
    public IReadOnlyCollection<TopologyFunction> Read() => [.. Functions.Select(function => new TopologyFunction(
        function.Location,
        BridgeAbove(function.Location.Bus),
        function.SecondaryBus != 0,
        TryTypeOf(function.Location),
        AccessControlsOf(function.Location)))];

    /// <summary>Whether requests from a bus reach the root under the source-id of a bridge.</summary>
    public bool SharesRequester(byte bus)
    {
        for (SourceId? bridge = BridgeAbove(bus); bridge is { } above; bridge = BridgeAbove(above.Bus))
        {
            if (TryTypeOf(above) is null or PciExpressType.ExpressToConventional)
                return true;
        }

        return false;
    }

    /// <summary>Under which source-id the requests of a function reach the root.</summary>
    public SourceId RequesterOf(SourceId source)
    {
        SourceId requester = source;
        byte bus = source.Bus;
        while (BridgeAbove(bus) is { } bridge)
        {
            // A conventional bridge sends them as its own; one from PCI Express as device 0, function 0 of the bus below it.
            requester = TryTypeOf(bridge) switch
            {
                null => bridge,
                PciExpressType.ExpressToConventional => new(bus, 0, 0),
                _ => requester,
            };
            bus = bridge.Bus;
        }

        return requester;
    }

    /// <summary>All functions on a bus and below it: those that a reset of the bus resets.</summary>
    public IEnumerable<SourceId> Below(byte bus)
    {
        foreach (PciFunctionInfo function in Functions)
        {
            if (IsAtOrBelow(function.Location.Bus, bus))
                yield return function.Location;
        }
    }

    private bool IsAtOrBelow(byte bus, byte top)
    {
        while (bus != top && BridgeAbove(bus) is { } bridge)
            bus = bridge.Bus;
        return bus == top;
    }

    private PciExpressType? TryTypeOf(SourceId function)
    {
        IConfigurationAccess space = configuration.Open(function);
        try
        {
            int at = PciCapabilityList.Find(space, function, PciCapabilityId.PciExpress);
            return at == 0 ? null : (PciExpressType)((space.Read16(at + Type) >> TypeShift) & TypeMask);
        }
        catch (DeviceException)
        {
            return null;
        }
    }

    private AccessControls AccessControlsOf(SourceId function)
    {
        IConfigurationAccess space = configuration.Open(function);
        try
        {
            int at = PciExtendedCapabilityList.Find(space, function, PciExtendedCapabilityId.AccessControl);
            return at is 0 or > PciOffset.End - AccessControlBytes
                ? AccessControls.None
                : (AccessControls)space.Read16(at + AccessControl) & AccessControls.Usual;
        }
        catch (DeviceException)
        {
            return AccessControls.None;
        }
    }
}
