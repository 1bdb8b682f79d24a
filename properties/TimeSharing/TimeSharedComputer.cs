using Dma.Hal;
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

    public TimeSharedComputer(int guests, EhciOptions? options = null)
    {
        Watch = new(s_controller);
        Host = new(new() { MemoryBytes = (uint)(32 + (4 * guests)) * MiB, VmmBytes = 16 * MiB, Watch = Watch.Around });
        Controller = new(Host.Loop, (options ?? new()) with { PortCount = Math.Max(guests, 2), PortGates = true });
        Controller.Usb.Observer = Bus = new(Controller.Usb, Host.Loop);
        Host.Pci.Add(Controller, s_controller.Device);
        Host.Boot();
        for (int number = 0; number < guests; number++)
            _guests.Add(Host.CreateMachine($"VM {number}", 4 * MiB));
    }

    public Host Host { get; }

    public EhciController Controller { get; }

    public IReadOnlyList<VirtualMachine> Guests => _guests;

    /// <summary>How time went by.</summary>
    public TurnLedger Ledger => Watch.Ledger;

    /// <summary>What must hold in every stretch of time.</summary>
    public TurnWatch Watch { get; }

    /// <summary>What packets take of each microframe.</summary>
    public MicroframeWatch Bus { get; }

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
        Assert.Equal(AssignmentResult.Done, await Sharing.Give(guest, s_place, number + 1));
        return await GuestOfOneDevice.Open(guest);
    }

    /// <summary>A guest gets the whole controller for itself, without anybody to share it with.</summary>
    public async Task<PciDevice> OpenAlone(int number)
    {
        Assert.Equal(AssignmentResult.Done, await Host.AssignmentOf(s_controller).Assign(_guests[number], s_place));
        return await GuestOfOneDevice.Open(_guests[number]);
    }

    public void Dispose() => Host.Dispose();
}
