using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A host whose one USB controller is shared between VMs: each gets a register set, and the root port of the same number with a disk in it, or another device.</summary>
internal sealed class SharedMachine : IDisposable
{
    private const ulong GuestBytes = 4 << 20;
    private const ulong VmmBytes = 32 << 20;
    private const int DiskBytes = 256 * 1024;
    private const int ManagementPlace = 1;
    private const int GuestPlace = 4;

    private readonly MachineTimeline? _timeline;
    private readonly SharingTimeline? _sharing;
    private readonly TimelineTrack _vmm;

    /// <summary>Builds and boots it; each disk has bytes of its own.</summary>
    /// <param name="vms">How many VMs.</param>
    /// <param name="options">How the controller is built.</param>
    /// <param name="seed">What the bytes of the disks come from.</param>
    /// <param name="trace">Where a timeline is written, or null.</param>
    /// <param name="device">Makes the device of a VM, by its number from 0 on; null for disks.</param>
    public SharedMachine(int vms, SharedEhciOptions options, ulong seed, Stream? trace, Func<int, IUsbDevice>? device = null)
    {
        Host = new(new() { MemoryBytes = VmmBytes + ((ulong)vms * GuestBytes) + VmmBytes, VmmBytes = VmmBytes, Seed = seed, Trace = MachineTimeline.TraceFor(trace) });
        Controller = new(Host.Loop, options with { SetCount = vms, RootPortCount = vms });
        Disks = device is null ? [.. Enumerable.Range(1, vms).Select(Disk)] : [];
        for (int number = 0; number < vms; number++)
            Controller.Usb.Ports[number].Plug(device?.Invoke(number) ?? new MassStorageDevice(Disks[number]));
        Controller.PlugInto(Host.Pci, ManagementPlace);
        Host.Boot();
        Machines = [.. Enumerable.Range(1, vms).Select(number => Host.CreateMachine($"VM {number}", GuestBytes))];
        if (trace is not null)
        {
            _timeline = new(trace, Host);
            _vmm = _timeline.Timeline.Track("VMM", "VMM");
            _sharing = new(_timeline.Timeline, Host.Loop, [.. Machines.Select(machine => machine.Name)]);
        }

        Account = new(Controller.Usb, [.. Machines.Select(machine => machine.Name)], _sharing);
        Controller.Observer = Account;
    }

    /// <summary>The host.</summary>
    public Host Host { get; }

    /// <summary>The controller.</summary>
    public SharedEhciController Controller { get; }

    /// <summary>The account of the bus, by VM.</summary>
    public BusAccount Account { get; }

    /// <summary>What the disk of each VM holds; none where VMs have other devices.</summary>
    public IReadOnlyList<IDiskImage> Disks { get; }

    /// <summary>The VMs.</summary>
    public IReadOnlyList<VirtualMachine> Machines { get; }

    /// <summary>Takes the controller over for the VMM.</summary>
    public async Task<SharedUsbController> Start() =>
        await SharedUsbController.Start(Host, Controller.Management.Source) ?? throw new InvalidOperationException("The controller cannot be shared.");

    /// <summary>Gives a VM its register set and port, and starts its HAL.</summary>
    public async Task<Guest> Give(SharedUsbController sharing, int number)
    {
        ulong startNs = Host.Loop.NowNs;
        AssignmentResult result = await sharing.Give(number, Machines[number], new(0, GuestPlace, 0), number + 1);
        if (!result.IsDone)
            throw new InvalidOperationException($"The register set cannot be assigned: {result.Reason}.");
        _timeline?.Timeline.Slice(_vmm, $"assign set {number} to {Machines[number].Name}", startNs, Host.Loop.NowNs - startNs);
        return await Guest.Start(Machines[number], Host.RandomFor($"places of buffers of {Machines[number].Name}"));
    }

    /// <summary>Who sees reservations: the timeline, where there is one, and somebody else.</summary>
    public IReservationObserver ReservationObserver(IReservationObserver next) =>
        _timeline is null ? next : new ReservationTimeline(_timeline.Timeline, [.. Machines.Select(machine => machine.Name)]) { Next = next };

    /// <summary>Notes in the timeline what a VM did since a time.</summary>
    public void Note(int number, string what, ulong sinceNs) => _timeline?.Note(number, what, sinceNs);

    /// <summary>Ends the timeline.</summary>
    public void Dispose()
    {
        _sharing?.End();
        _timeline?.Dispose();
        Host.Dispose();
    }

    private MemoryDiskImage Disk(int number)
    {
        byte[] bytes = new byte[DiskBytes];
        Host.RandomFor($"disk {number}").NextBytes(bytes);
        return new(bytes);
    }
}
