using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>An EHCI controller with a register set for each of several drivers, on one bus.</summary>
/// <remarks>
/// Each set is a PCI function of its own, <see cref="Interfaces"/>, with its own configuration space, interrupt and requester id:
/// a device number of its own keeps it apart from the others for every rule on what may be given to whom. A further function,
/// <see cref="Management"/>, is for the host alone: there it decides who owns which port, how much time each set has, and
/// who has which address. Plug all of them into a bus.
/// </remarks>
public sealed class SharedEhciController
{
    private const int SetsMax = 64;
    private const int PortsMax = 64;
    private const int ShownPortsMax = 15;

    private readonly EhciEngine _engine;
    private readonly EhciInterface[] _interfaces;

    /// <summary>A controller whose ports belong to no register set: the host shares them out by <see cref="Management"/>.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="options">How it is built.</param>
    public SharedEhciController(EventLoop loop, SharedEhciOptions? options = null)
    {
        Options = options ?? new();
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)Options.SetCount - 1, (uint)SetsMax - 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)Options.RootPortCount - 1, (uint)PortsMax - 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)Options.Addresses.AddressesMax - 1, (uint)UsbBus.AddressCount - 2, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)Options.InternalPortCount, (uint)ShownPortsMax - 1, nameof(options));
        EhciOptions sets = EhciOptions.Check(Options.Sets with
        {
            PortCount = Math.Min(Options.RootPortCount + Options.InternalPortCount, ShownPortsMax),
            InternalPortCount = Options.InternalPortCount,
        });
        _engine = new(loop, Options.RootPortCount, sets, Options.Addresses.IsOn ? Options.Addresses : null, Options.SetCount) { SharesReset = Options.SharesReset };
        _engine.RootHub.ShowsLeaving = Options.ShowsPortsLeave;
        _interfaces = new EhciInterface[Options.SetCount];
        for (int number = 0; number < _interfaces.Length; number++)
            _interfaces[number] = new(_engine, sets, Options.SharesRequester && number != 0 ? _interfaces[0].Way : null);
        Management = new(_engine, Options, _interfaces);
    }

    /// <summary>How it is built.</summary>
    public SharedEhciOptions Options { get; }

    /// <summary>The functions that drivers have, by the number of the register set.</summary>
    public IReadOnlyList<EhciInterface> Interfaces => _interfaces;

    /// <summary>The function of the host.</summary>
    public EhciManagement Management { get; }

    /// <summary>The bus at its root ports: devices are plugged in there.</summary>
    public UsbBus Usb => _engine.Usb;

    /// <summary>What its address replacement did; null where it has none.</summary>
    public AddressStatistics? Addresses => _engine.Addresses?.Statistics;

    /// <summary>How long a register set waited for address 0 in all, in nanoseconds; 0 where addresses are not replaced.</summary>
    /// <param name="set">From 0 on.</param>
    public ulong AddressZeroWaitNsOf(int set) => _engine.Addresses?.Zero.WaitedNs(set) ?? 0;

    /// <summary>Who sees how the bus is shared, or null.</summary>
    public IBusShareObserver? Observer
    {
        get => _engine.Observer;
        set => _engine.Observer = value;
    }

    /// <summary>The ports of a register set that have no bus behind them, but devices that the host provides.</summary>
    /// <param name="set">From 0 on.</param>
    public IReadOnlyList<UsbPort> InternalPortsOf(int set) => _engine.Sets[set].Internal?.Usb.Ports ?? [];

    /// <summary>Whose an address on the bus is.</summary>
    /// <param name="address">1 to 127.</param>
    public AddressEntry AddressEntryOf(byte address) => _engine.Addresses is { } addresses ? addresses.Table.EntryOf(address) : default;

    /// <summary>Plugs all its functions into a bus.</summary>
    /// <param name="host">The root of the hierarchy.</param>
    /// <param name="device">The device number of <see cref="Management"/>; the interfaces follow, each at a device number of its own.</param>
    public void PlugInto(PciHost host, int device)
    {
        host.Add(Management, device);
        foreach (EhciInterface shared in _interfaces)
            host.Add(shared, device + 1 + shared.Number);
    }
}
