using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A host whose one USB controller goes from guest to guest: each has the root port of the same number.</summary>
internal sealed class TimeSharedComputer : IDisposable
{
    private const ulong MiB = 1 << 20;
    private static readonly SourceId s_controller = new(0, 2, 0);
    private static readonly SourceId s_place = new(0, 3, 0);

    private readonly List<VirtualMachine> _guests = [];

    private readonly PciFunction _controller;

    /// <param name="guests">How many guests.</param>
    /// <param name="kind">What controller.</param>
    /// <param name="canHang">Whether the controller can be made to hang.</param>
    public TimeSharedComputer(int guests, TurnController kind = TurnController.Ehci, bool canHang = false)
    {
        Watch = new(s_controller);
        Host = new(new() { MemoryBytes = (uint)(32 + (4 * guests)) * MiB, VmmBytes = 16 * MiB, Watch = Watch.Around });
        Kind = kind;
        int ports = Math.Max(guests, 2);
        if (kind == TurnController.Ehci)
        {
            EhciOptions options = new() { PortCount = ports, PortGates = true };
            EhciController ehci = canHang ? new StuckEhci(Host.Loop, options) : new(Host.Loop, options);
            (_controller, Ports, Buses) = (ehci, ehci.Usb.Ports, [new(ehci.Usb, Host.Loop)]);
            Watch.HasOtherCause = () => CompletionWatch.HasOtherCause(ehci);
        }
        else
        {
            XhciOptions options = new() { Usb2PortCount = ports, Usb3PortCount = ports, SlotCount = 4, PortGates = true };
            XhciController xhci = canHang ? new StuckXhci(Host.Loop, options) : new(Host.Loop, options);
            (_controller, Ports, Buses) = (xhci, xhci.Ports, [.. xhci.Buses.Take(ports).Select(bus => new MicroframeWatch(bus, Host.Loop))]);
        }

        Streams = StreamWatch.Watch(Ports.Select(static port => port.Bus!).Distinct(), Host.Loop);
        Host.Pci.Add(_controller, s_controller.Device);
        Host.Boot();
        for (int number = 0; number < guests; number++)
            _guests.Add(Host.CreateMachine($"VM {number}", 4 * MiB));
    }

    public Host Host { get; }

    public TurnController Kind { get; }

    /// <summary>The controller.</summary>
    public PciFunction Controller => _controller;

    /// <summary>The controller where it can be made to hang; null where not.</summary>
    public IStuckController? Stuck => _controller as IStuckController;

    /// <summary>Its root ports: one for each guest, and for xHCI behind them one of USB 3 for each guest.</summary>
    public IReadOnlyList<UsbPort> Ports { get; }

    public IReadOnlyList<VirtualMachine> Guests => _guests;

    /// <summary>How time went by.</summary>
    public TurnLedger Ledger => Watch.Ledger;

    /// <summary>What must hold in every stretch of time.</summary>
    public TurnWatch Watch { get; }

    /// <summary>What packets take of each microframe, of each high-speed bus.</summary>
    public IReadOnlyList<MicroframeWatch> Buses { get; }

    /// <summary>When packets of streams went over a bus, by device, in nanoseconds.</summary>
    public IReadOnlyDictionary<IUsbDevice, List<ulong>> Streams { get; }

    /// <summary>Who shares the controller out, once <see cref="Start"/> was called.</summary>
    public TimeSharedController Sharing { get; private set; } = null!;

    /// <summary>The VMM takes the controller over.</summary>
    public async Task Start(TimeSharingOptions? options = null)
    {
        TimeSharedController? sharing = await TimeSharedController.Start(Host, s_controller, (options ?? new()) with { Observer = Watch });
        Assert.NotNull(sharing);
        Sharing = sharing;
    }

    /// <summary>A guest gets its part of the controller, and finds the device as any guest does.</summary>
    public async Task<PciDevice> Open(int number)
    {
        VirtualMachine guest = _guests[number];
        Assert.Equal(AssignmentResult.Done, await Sharing.Give(guest, s_place, PortsOf(number)));
        return await GuestOfOneDevice.Open(guest);
    }

    /// <summary>A guest gets the whole controller for itself, without anybody to share it with.</summary>
    public async Task<PciDevice> OpenAlone(int number)
    {
        Assert.Equal(AssignmentResult.Done, await Host.AssignmentOf(s_controller).Assign(_guests[number], s_place));
        return await GuestOfOneDevice.Open(_guests[number]);
    }

    /// <summary>The root ports of a guest.</summary>
    public int[] PortsOf(int number) => Kind == TurnController.Ehci ? [number + 1] : [number + 1, (Ports.Count / 2) + number + 1];

    public void Dispose() => Host.Dispose();
}
