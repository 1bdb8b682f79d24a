using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What the shape of the host's PCI hierarchy means for telling its devices apart.</summary>
/// <param name="pci">The hierarchy.</param>
/// <param name="firmware">Who numbered it.</param>
internal sealed class PciTopology(PciHost pci, PciFirmware firmware)
{
    private const int Functions = 256;
    private const int TypeShift = 4;
    private const int TypeMask = 0xF;

    /// <summary>The bridge right above a bus; null above bus 0.</summary>
    public ConfigurationView? BridgeAbove(byte bus) =>
        firmware.BridgeAbove(bus) is { } bridge ? new ConfigurationView(pci, bridge) : null;

    /// <summary>Whether requests from a bus reach the root under the source-id of a bridge.</summary>
    public bool SharesRequester(byte bus)
    {
        for (; bus != 0; bus = BridgeAbove(bus)!.Value.Source.Bus)
        {
            if (BridgeAbove(bus) is not { } bridge || bridge.Find(PciCapabilityId.PciExpress) is not (not 0 and var offset))
                return true;
            if ((PciExpressType)((bridge.Read16(offset + 2) >> TypeShift) & TypeMask) == PciExpressType.ExpressToConventional)
                return true;
        }

        return false;
    }

    /// <summary>Whether nothing else is on the bus of a function.</summary>
    public bool IsAlone(SourceId source)
    {
        for (int place = 0; place < Functions; place++)
        {
            SourceId other = new((ushort)((source.Bus << 8) | place));
            if (other != source && new ConfigurationView(pci, other).IsThere)
                return false;
        }

        return true;
    }
}
