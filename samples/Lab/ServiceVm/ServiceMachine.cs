using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A host with one USB controller, a service VM that has it, and VMs whose front ends it serves.</summary>
internal sealed class ServiceMachine : IDisposable, IUrbWatch
{
    private const ulong MiB = 1 << 20;
    private const ulong ServiceBytes = RunningService.MemoryBytes;
    private const ulong GuestBytes = 8 * MiB;
    private const int ControllerPlace = 0x1D;
    private const int PortCount = 8;
    private const byte FrontEndVector = 0x41;

    private readonly ServiceMachineOptions _options;
    private readonly UsbController _controller;
    private readonly List<(int Guest, IUsbDevice Device)> _devices = [];
    private readonly PacketOwners _owners;
    private RunningService? _service;

    /// <summary>Builds and boots it; the service VM comes later.</summary>
    public ServiceMachine(ServiceMachineOptions options)
    {
        _options = options;
        Host = new(new()
        {
            MemoryBytes = options.VmmBytes + (2 * ServiceBytes) + ((ulong)options.Vms * GuestBytes),
            VmmBytes = options.VmmBytes,
            Seed = options.Seed,
            Trace = options.Trace,
            Watch = options.Watch,
            WatchModels = options.WatchModels,
        });
        _controller = UsbControllers.Create(options.Controller, Host.Loop, PortCount);
        Host.Pci.Add(_controller.Function, ControllerPlace);
        Host.Boot();
        Guests = [.. Enumerable.Range(1, options.Vms).Select(number => Host.CreateMachine($"VM {number}", GuestBytes))];
        Account = new(Buses.First(), Names);
        _owners = new(Host.Loop, Account);
        foreach (UsbBus bus in Buses)
            _owners.Watch(bus);
    }

    /// <summary>The host.</summary>
    public Host Host { get; }

    /// <summary>The VMs that are served; the service VM knows each by its place here.</summary>
    public IReadOnlyList<VirtualMachine> Guests { get; }

    /// <summary>The account of the buses, by the VM whose device is spoken to.</summary>
    public BusAccount Account { get; }

    /// <summary>The service VM as the VMM sees it.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public ServiceVm Service => Running.Service;

    /// <summary>The back end that runs in it.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public ServiceBackEnd BackEnd => Running.BackEnd;

    /// <summary>The processes in it that model controllers, in the order of VMs.</summary>
    /// <exception cref="InvalidOperationException">There is no service VM.</exception>
    public IReadOnlyList<UserLevelMonitor> Monitors => Running.Monitors;

    /// <summary>How much later than it shall the service VM runs at most, in nanoseconds.</summary>
    public ulong JitterNsMax => _options.Service.JitterNsMax;

    /// <summary>Who is told how far requests came, besides whom the options name; null for nobody.</summary>
    public IUrbWatch? Watch { get; set; }

    /// <summary>The devices as the service VM knows them, in the order in which they were plugged in.</summary>
    public IReadOnlyList<HostUsbDevice> Devices { get; private set; } = [];

    /// <summary>The way of the controller to a VM and back.</summary>
    public Assignment Controller => Host.AssignmentOf(_controller.Function.Source);

    /// <summary>The buses of the controller.</summary>
    public IEnumerable<UsbBus> Buses => _controller.Buses.Select(bus => bus.Bus);

    /// <summary>Where a device is plugged in.</summary>
    public UsbPort PortOf(IUsbDevice device) => Buses.SelectMany(bus => bus.Ports).First(port => port.Device == device);

    /// <summary>Plugs a device of a VM in, before the service VM starts.</summary>
    public T Plug<T>(int guest, T device)
        where T : IUsbDevice
    {
        UsbPort port = _controller.FreePortFor(device.Speed) ?? throw new InvalidOperationException("The controller has no port left.");
        port.Plug(device);
        _devices.Add((guest, device));
        _owners.Add(device, guest);
        return device;
    }

    /// <summary>Begins a timeline, with packets and transfers; the service VM was started.</summary>
    /// <param name="output">Where it is written; null for none.</param>
    public MachineTimeline? StartTimeline(Stream? output)
    {
        if (output is null)
            return null;
        MachineTimeline timeline = new(output, Host);
        _owners.Timeline = new(timeline.Timeline, Names);
        return timeline;
    }

    /// <summary>Starts the service VM: it gets the controller, drives it, and shows each VM its devices.</summary>
    public async Task StartService()
    {
        _service = await RunningService.Start(Host, Controller.Source, Guests, _options.Service, _options.BackEnd with { Watch = this });
        if (_options.Devices == ServedDevices.Model)
            await _service.StartModels(() => UsbControllers.Create(_options.Controller, Host.Loop).Function, _options.Monitor);
        List<HostUsbDevice> devices = [];
        foreach ((int guest, IUsbDevice plugged) in _devices)
            devices.Add(await _service.Give(guest, _controller.PortOf(plugged)));
        Devices = devices;
    }

    /// <summary>Starts the front end of a VM, or the driver of the controller that it sees.</summary>
    /// <returns>Its devices are at ports from 1 on, in the order in which they were plugged in.</returns>
    public async Task<IUsbHostController> StartGuest(int guest)
    {
        GuestCpu cpu = Guests[guest].Cpu;
        FrameAllocator frames = new(new(MiB), GuestBytes - MiB);
        if (_options.Devices == ServedDevices.FrontEnd)
            return await ParavirtualUsbDriver.Start(cpu, cpu, frames, FrontEndVector);
        return await UsbHostControllers.Start(
            PciDevice.Open(cpu, new PciConfigurationPorts(cpu), RunningService.ModelPlace, new IdentityDmaSpace(cpu, frames), FrontEndVector));
    }

    /// <summary>Shows a device, which was just reset, to a VM.</summary>
    /// <returns>Whether it has a port for it.</returns>
    public ValueTask<bool> Attach(int guest, IHostUsbDevice device) => Running.Attach(guest, device);

    /// <summary>Takes a device from a VM.</summary>
    public ValueTask Detach(int guest, IHostUsbDevice device) => Running.Detach(guest, device);

    /// <summary>The processor of the service VM.</summary>
    public Processor Processor => Running.Service.Machine.Cpu.Processor;

    /// <summary>The service VM crashes: from one moment to the next it does nothing any more.</summary>
    public ValueTask CrashService() => Running.Crash();

    /// <inheritdoc/>
    void IUrbWatch.Reached(int frontEnd, ushort id, UrbStage stage)
    {
        Watch?.Reached(frontEnd, id, stage);
        _options.BackEnd.Watch?.Reached(frontEnd, id, stage);
    }

    /// <inheritdoc/>
    public void Dispose() => Host.Dispose();

    private string[] Names => [.. Guests.Select(guest => guest.Name)];

    private RunningService Running => _service ?? throw new InvalidOperationException("The service VM was not started.");
}
