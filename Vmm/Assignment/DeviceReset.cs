using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Resets one function: by itself, or with all that is on its bus.</summary>
internal sealed class DeviceReset
{
    private const ushort SecondaryBusReset = 1 << 6;

    // How long software holds a bus in reset, and waits afterwards (PCI Express base, 7.5.1.3.13 and 6.6.1).
    private const ulong HoldNs = 1_000_000;
    private const ulong SettleNs = 100_000_000;

    private readonly Processor _processor;
    private readonly IConfigurationAccess _space;
    private readonly PciFunctionReset? _own;
    private readonly IConfigurationAccess? _bridge;

    private DeviceReset(Processor processor, IConfigurationAccess space, PciFunctionReset? own, IConfigurationAccess? bridge, IReadOnlyList<SourceId> others) =>
        (_processor, _space, _own, _bridge, Others) = (processor, space, own, bridge, others);

    /// <summary>Whether the function can do it by itself, so that a guest may, too.</summary>
    public bool IsOwn => _own is not null;

    /// <summary>Who else is reset with it: the other functions on its bus and below, where it cannot be reset by itself.</summary>
    public IReadOnlyList<SourceId> Others { get; }

    /// <summary>The way to reset a function; null where there is none: it cannot by itself, and is on a root bus.</summary>
    /// <exception cref="DeviceException">Its capability list is malformed.</exception>
    public static DeviceReset? TryFind(Host host, SourceId source)
    {
        IConfigurationAccess space = host.Configuration.Open(source);
        if (PciFunctionReset.TryFind(host.Cpu, space, source) is { } own)
            return new(host.Cpu.Processor, space, own, bridge: null, []);
        return host.Topology.BridgeAbove(source.Bus) is { } above
            ? new(host.Cpu.Processor, space, own: null, host.Configuration.Open(above), [.. host.Topology.Below(source.Bus).Where(other => other != source)])
            : null;
    }

    /// <summary>Starts the function's own reset; the one who asked for it waits.</summary>
    public void Initiate() => _own?.Initiate();

    /// <summary>Resets the function; its configuration is lost.</summary>
    /// <exception cref="DeviceException">It did not come back.</exception>
    public async ValueTask Perform()
    {
        if (_own is not null)
            await _own.Perform();
        else if (_bridge is not null)
            await ResetBus(_bridge);
    }

    private async ValueTask ResetBus(IConfigurationAccess bridge)
    {
        ushort control = bridge.Read16(PciOffset.BridgeControl);
        bridge.Write16(PciOffset.BridgeControl, (ushort)(control | SecondaryBusReset));
        await _processor.Delay(HoldNs);
        bridge.Write16(PciOffset.BridgeControl, (ushort)(control & ~SecondaryBusReset));
        await _processor.Delay(SettleNs);
        if (_space.Read16(PciOffset.VendorId) == ushort.MaxValue)
            throw new DeviceException("It did not come back from the reset of its bus.");
    }
}
