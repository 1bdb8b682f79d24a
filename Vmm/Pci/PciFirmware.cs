using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What firmware does to a PCI hierarchy before an operating system sees it: bus numbers, windows and BARs.</summary>
/// <remarks>It works by configuration requests alone, for the host's hierarchy and for the virtual ones of VMs alike.</remarks>
/// <param name="pci">The hierarchy.</param>
/// <param name="start">The first address for BARs.</param>
/// <param name="end">The first address after them, at most 4 GiB.</param>
public sealed class PciFirmware(PciHost pci, ulong start, ulong end)
{
    private const int DevicesPerBus = 32;
    private const ulong BridgeGranule = 1 << 20;
    private const uint NoFunction = 0xFFFF;

    private readonly Dictionary<byte, SourceId> _bridges = [];
    private ulong _next = start;
    private byte _lastBus;

    /// <summary>The bridge above a bus; null above bus 0.</summary>
    public SourceId? BridgeAbove(byte bus) => _bridges.TryGetValue(bus, out SourceId bridge) ? bridge : null;

    /// <summary>Sets up everything that is plugged in now. Once, before anything else uses the hierarchy.</summary>
    /// <exception cref="InvalidOperationException">More BARs or buses than there is room for.</exception>
    public void Enumerate() => Scan(bus: 0);

    /// <summary>Gives the BARs of one function on bus 0 their places; memory space stays off.</summary>
    /// <exception cref="InvalidOperationException">No room is left.</exception>
    public void Place(SourceId source)
    {
        ConfigurationView function = new(pci, source);
        foreach (BarShape bar in BarShape.Read(function))
        {
            ulong address = Take(bar.Size, bar.Size);
            function.Write32(bar.Offset, (uint)address);
            if (bar.Is64Bit)
                function.Write32(bar.Offset + 4, (uint)(address >> 32));
        }
    }

    private void Scan(byte bus)
    {
        for (int device = 0; device < DevicesPerBus; device++)
        {
            ConfigurationView first = new(pci, new(bus, device, 0));
            if (first.Read16(PciOffset.VendorId) == NoFunction)
                continue;
            int functions = first.IsMultiFunction ? 8 : 1;
            for (int number = 0; number < functions; number++)
            {
                ConfigurationView function = new(pci, new(bus, device, number));
                if (function.Read16(PciOffset.VendorId) == NoFunction)
                    continue;
                if (function.IsBridge)
                    OpenBridge(function);
                else
                    Place(function.Source);
            }
        }
    }

    private void OpenBridge(ConfigurationView bridge)
    {
        if (_lastBus == byte.MaxValue)
            throw new InvalidOperationException("All bus numbers are given.");
        byte secondary = ++_lastBus;
        _bridges.Add(secondary, bridge.Source);
        bridge.Write8(PciOffset.PrimaryBus, bridge.Source.Bus);
        bridge.Write8(PciOffset.SecondaryBus, secondary);
        bridge.Write8(PciOffset.SubordinateBus, byte.MaxValue);
        ulong first = Take(0, BridgeGranule);
        Scan(secondary);
        ulong last = Take(0, BridgeGranule) - 1;
        bridge.Write8(PciOffset.SubordinateBus, _lastBus);

        // A window whose first address is above its last is closed; the prefetchable one always is.
        bridge.Write16(PciOffset.MemoryBase, (ushort)(first >> 16));
        bridge.Write16(PciOffset.MemoryLimit, (ushort)((last & ~(BridgeGranule - 1)) >> 16));
        bridge.Write16(PciOffset.PrefetchableBase, 0xFFF0);
        bridge.Write16(PciOffset.PrefetchableLimit, 0);
        bridge.Write16(PciOffset.Command, (ushort)(PciCommand.MemorySpace | PciCommand.BusMaster));
    }

    private ulong Take(ulong length, ulong alignment)
    {
        ulong address = (_next + alignment - 1) & ~(alignment - 1);
        if (address > end || length > end - address)
            throw new InvalidOperationException($"No {length} bytes are left for BARs.");
        _next = address + length;
        return address;
    }
}
