using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A host whose one USB controller VMs have in turns: the first has a microphone at its root port, the others have disks.</summary>
internal sealed class TurnMachine : IDisposable
{
    private const ulong GuestBytes = 4 << 20;
    private const ulong VmmBytes = 32 << 20;
    private const int DiskBytes = 256 * 1024;
    private const int ControllerPlace = 2;
    private const int GuestPlace = 4;

    private readonly MachineTimeline? _timeline;
    private readonly TurnController _kind;
    private readonly int _vms;

    /// <summary>Builds and boots it.</summary>
    /// <param name="kind">What controller.</param>
    /// <param name="vms">How many VMs.</param>
    /// <param name="seed">What the bytes of the disks come from.</param>
    /// <param name="trace">Where a timeline is written, or null.</param>
    public TurnMachine(TurnController kind, int vms, ulong seed, Stream? trace)
    {
        (_kind, _vms) = (kind, vms);
        Host = new(new()
        {
            MemoryBytes = VmmBytes + ((ulong)vms * GuestBytes) + VmmBytes,
            VmmBytes = VmmBytes,
            Seed = seed,
            Trace = MachineTimeline.TraceFor(trace),
            Watch = Reach.Around,
        });
        (Controller, IReadOnlyList<UsbPort> ports) = Build(kind, vms);
        Disks = [.. Enumerable.Range(1, vms).Select(Disk)];
        ports[0].Plug(new AudioSourceDevice(Host.Loop, new SineWave(hertz: 440)));
        for (int number = 1; number < vms; number++)
            ports[number].Plug(new MassStorageDevice(new MemoryDiskImage(Disks[number])));
        Host.Pci.Add(Controller, ControllerPlace);
        Host.Boot();
        Machines = [.. Enumerable.Range(1, vms).Select(number => Host.CreateMachine($"VM {number}", GuestBytes))];
        string[] names = [.. Machines.Select(machine => machine.Name)];
        Account = new(ports[0].Bus!, names);
        PacketOwners owners = new(Host.Loop, Account);
        if (trace is not null)
        {
            _timeline = new(trace, Host);
            Turns = new TurnTimeline(_timeline.Timeline);
            owners.Timeline = new(_timeline.Timeline, names);
        }

        for (int number = 0; number < vms; number++)
        {
            owners.Add(ports[number].Device!, number, isPeriodic: number == 0);
            owners.Watch(ports[number].Bus!);
        }
    }

    /// <summary>The host.</summary>
    public Host Host { get; }

    /// <summary>The controller.</summary>
    public PciFunction Controller { get; }

    /// <summary>Whose memory the controller reaches in whose turn.</summary>
    public TurnReach Reach { get; } = new(new(0, ControllerPlace, 0));

    /// <summary>The account of the buses, by VM.</summary>
    public BusAccount Account { get; }

    /// <summary>What the disk of each VM holds; the first one has none.</summary>
    public IReadOnlyList<byte[]> Disks { get; }

    /// <summary>The VMs.</summary>
    public IReadOnlyList<VirtualMachine> Machines { get; }

    /// <summary>Who draws turns into the timeline, or null.</summary>
    public ITurnObserver? Turns { get; }

    /// <summary>Gives a VM its place in the round, and starts its HAL.</summary>
    public async Task<Guest> Give(TimeSharedController sharing, int number)
    {
        AssignmentResult result = await sharing.Give(Machines[number], new(0, GuestPlace, 0), PortsOf(number));
        return result.IsDone
            ? await Guest.Start(Machines[number], Host.RandomFor($"places of buffers of {Machines[number].Name}"))
            : throw new InvalidOperationException($"The controller cannot be shared: {result.Reason}.");
    }

    /// <summary>Notes in the timeline what a VM did since a time.</summary>
    public void Note(int number, string what, ulong sinceNs) => _timeline?.Note(number, what, sinceNs);

    /// <summary>Ends the timeline.</summary>
    public void Dispose()
    {
        _timeline?.Dispose();
        Host.Dispose();
    }

    private int[] PortsOf(int number) => _kind == TurnController.Ehci ? [number + 1] : [number + 1, _vms + number + 1];

    // Of xHCI each VM has a port of USB 2, with its device, and one of USB 3.
    private (PciFunction, IReadOnlyList<UsbPort>) Build(TurnController kind, int vms)
    {
        if (kind == TurnController.Ehci)
        {
            EhciController ehci = new(Host.Loop, new() { PortCount = vms, PortGates = true });
            return (ehci, ehci.Usb.Ports);
        }

        XhciController xhci = new(Host.Loop, new() { Usb2PortCount = vms, Usb3PortCount = vms, PortGates = true });
        return (xhci, xhci.Ports);
    }

    private byte[] Disk(int number)
    {
        byte[] bytes = new byte[DiskBytes];
        Host.RandomFor($"disk {number}").NextBytes(bytes);
        return bytes;
    }
}
