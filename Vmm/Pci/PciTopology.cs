using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What the shape of the host's PCI hierarchy means for telling its devices apart.</summary>
/// <param name="configuration">The way to configuration space; buses are numbered already.</param>
internal sealed class PciTopology(IPciConfiguration configuration)
{
    private const int Functions = 256;
    private const int Type = 2;
    private const int TypeShift = 4;
    private const int TypeMask = 0xF;
    private const ushort NoVendor = 0xFFFF;

    private readonly Dictionary<byte, SourceId> _bridges = PciScan.Enumerate(configuration)
        .Where(function => function.SecondaryBus != 0)
        .ToDictionary(function => function.SecondaryBus, function => function.Location);

    /// <summary>All bridges.</summary>
    public IEnumerable<SourceId> Bridges => _bridges.Values;

    /// <summary>The bridge right above a bus; null above bus 0.</summary>
    public SourceId? BridgeAbove(byte bus) => _bridges.TryGetValue(bus, out SourceId bridge) ? bridge : null;

    /// <summary>Whether requests from a bus reach the root under the source-id of a bridge.</summary>
    /// <exception cref="DeviceException">The capability list of a bridge is malformed.</exception>
    public bool SharesRequester(byte bus)
    {
        while (BridgeAbove(bus) is { } bridge)
        {
            IConfigurationAccess space = configuration.Open(bridge);
            int express = PciCapabilityList.Find(space, bridge, PciCapabilityId.PciExpress);
            if (express == 0 || (PciExpressType)((space.Read16(express + Type) >> TypeShift) & TypeMask) == PciExpressType.ExpressToConventional)
                return true;
            bus = bridge.Bus;
        }

        return false;
    }

    /// <summary>Whether nothing else is on the bus of a function.</summary>
    public bool IsAlone(SourceId source)
    {
        for (int place = 0; place < Functions; place++)
        {
            SourceId other = new((ushort)((source.Bus << 8) | place));
            if (other != source && configuration.Open(other).Read16(PciOffset.VendorId) != NoVendor)
                return false;
        }

        return true;
    }
}
