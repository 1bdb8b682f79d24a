using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A host with two USB disks, a VM that gets one of them by a controller in a user-level monitor, and a second VM.</summary>
internal sealed class MonitorMachine : IDisposable
{
    private const ulong MiB = 1 << 20;
    private const ulong GuestBytes = 16 * MiB;
    private const int ControllerPlace = 0x1D;
    private const byte Vector = 0x41;
    private const int DiskBytes = 512 * 1024;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly string _kind;
    private readonly UsbController _controller;
    private readonly MassStorageDevice[] _disks;

    /// <summary>A host that runs, and VMs whose software does nothing yet.</summary>
    /// <param name="kind">One of <see cref="UsbControllers.Names"/>: the controller of the host, and the one that the guest sees.</param>
    /// <param name="options">How the monitor works.</param>
    /// <param name="seed">What bytes come from.</param>
    /// <param name="trace">Where a timeline is written, or null.</param>
    public MonitorMachine(string kind, MonitorOptions options, ulong seed, Stream? trace = null)
    {
        _kind = kind;
        Host = new(new() { MemoryBytes = 128 * MiB, Seed = seed, Trace = MachineTimeline.TraceFor(trace) });
        Host.RandomFor("disk").NextBytes(Content);
        _controller = UsbControllers.Create(kind, Host.Loop);
        _disks = [new(new MemoryDiskImage(Content)), new(new MemoryDiskImage(Content))];
        foreach (MassStorageDevice disk in _disks)
            _controller.FreePortFor(disk.Speed)!.Plug(disk);
        Host.Pci.Add(_controller.Function, ControllerPlace);
        Host.Boot();
        Machine = Host.CreateMachine("VM 1", GuestBytes);
        Other = Host.CreateMachine("VM 2", MiB);
        Monitor = new(Machine, options);
        Stack = new(Host, _controller.Function.Source);
        Timeline = trace is null ? null : new(trace, Host);
        string[] names = [Machine.Name];
        Account = new(_controller.Buses[0].Bus, names);
        PacketOwners owners = new(Host.Loop, Account) { Timeline = Timeline is null ? null : new(Timeline.Timeline, names) };
        owners.Add(_disks[0], number: 0);
        foreach ((_, UsbBus bus) in _controller.Buses)
            owners.Watch(bus);
    }

    /// <summary>The host.</summary>
    public Host Host { get; }

    /// <summary>The VM whose models run in the monitor.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>The other VM.</summary>
    public VirtualMachine Other { get; }

    /// <summary>The monitor.</summary>
    public UserLevelMonitor Monitor { get; }

    /// <summary>The timeline, or null.</summary>
    public MachineTimeline? Timeline { get; }

    /// <summary>The account of the bus: what the disk of the first VM has of it.</summary>
    public BusAccount Account { get; }

    /// <summary>The USB stack of the host.</summary>
    public HostUsbStack Stack { get; }

    /// <summary>What is on both disks.</summary>
    public byte[] Content { get; } = new byte[DiskBytes];

    /// <summary>Starts the host's drivers and the guest's.</summary>
    /// <returns>The disk as the guest sees it, and the guest's memory for its devices.</returns>
    public async Task<(MassStorageDriver Disk, IDmaSpace Memory)> Start()
    {
        await Stack.Start();
        EmulatedUsbController emulated = new(Machine, UsbControllers.Create(_kind, Host.Loop).Function, _place, monitor: Monitor);
        HostUsbDevice device = new(Stack, _controller.PortOf(_disks[0]));
        if (!await device.LogIn() || !await new UsbDeviceAssignment(device).Assign(emulated))
            throw new InvalidOperationException($"The disk cannot be given to {Machine.Name}.");
        GuestCpu cpu = Machine.Cpu;
        IdentityDmaSpace memory = new(cpu, new(new(MiB), GuestBytes - MiB));
        IUsbHostController usb = await UsbHostControllers.Start(PciDevice.Open(cpu, new PciConfigurationPorts(cpu), _place, memory, Vector));
        return (await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(usb, port: 1)), memory);
    }

    /// <summary>The second disk, for transfers of the host; no driver has it.</summary>
    public async Task<HostDiskReader> OpenHostDisk()
    {
        HostUsbDevice device = new(Stack, _controller.PortOf(_disks[1]));
        return await HostDiskReader.Open(device);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Timeline?.Dispose();
        Host.Dispose();
    }
}
