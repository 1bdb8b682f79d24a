using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A service VM at work: it has the controller, drives it, and serves the front ends of others, or models controllers for them.</summary>
internal sealed class RunningService
{
    /// <summary>Bytes of its memory.</summary>
    public const ulong MemoryBytes = 8 << 20;

    private const ulong MiB = 1 << 20;
    private const byte ControllerVector = 0x40;
    private const byte BackEndVector = 0x50;
    private const byte WindowVector = 0x60;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly ServiceUsbStack _stack;
    private readonly IReadOnlyList<VirtualMachine> _guests;
    private readonly List<EmulatedUsbController> _models = [];
    private readonly List<UserLevelMonitor> _monitors = [];

    private RunningService(ServiceVm service, ServiceUsbStack stack, ServiceBackEnd backEnd, IReadOnlyList<VirtualMachine> guests) =>
        (Service, _stack, BackEnd, _guests) = (service, stack, backEnd, guests);

    /// <summary>Where a guest finds a controller that is modelled for it.</summary>
    public static SourceId ModelPlace { get; } = new(0, 4, 0);

    /// <summary>The service VM as the VMM sees it.</summary>
    public ServiceVm Service { get; }

    /// <summary>The back end that runs in it.</summary>
    public ServiceBackEnd BackEnd { get; }

    /// <summary>The processes that model controllers, in the order of VMs; none where front ends are served.</summary>
    public IReadOnlyList<UserLevelMonitor> Monitors => _monitors;

    /// <summary>Makes the VM, assigns the controller to it, and starts its software.</summary>
    /// <param name="host">The host, booted.</param>
    /// <param name="controller">Where the controller is.</param>
    /// <param name="guests">Whom it serves; it knows each by its place here.</param>
    /// <param name="service">What the VMM does for it.</param>
    /// <param name="backEnd">How its back end works.</param>
    /// <exception cref="InvalidOperationException">The controller cannot be assigned, or memory is used up.</exception>
    /// <exception cref="DriverException">The controller does not start.</exception>
    public static async Task<RunningService> Start(
        Host host, SourceId controller, IReadOnlyList<VirtualMachine> guests, ServiceVmOptions service, ServiceBackEndOptions backEnd)
    {
        VirtualMachine machine = host.CreateMachine("service VM", MemoryBytes);

        // All of its own memory is there for its controller; what is granted comes and goes.
        machine.Mapping = new() { Policy = MappingPolicy.Static };
        AssignmentResult assigned = await host.AssignmentOf(controller).Assign(machine, _place);
        if (!assigned.IsDone)
            throw new InvalidOperationException($"The controller cannot be assigned: {assigned.Reason}.");
        ServiceVm served = new(machine, service);
        foreach (VirtualMachine guest in guests)
            _ = served.Serve(guest);
        FrameAllocator frames = new(new(MiB), MemoryBytes - MiB);
        ServiceUsbStack stack = new(machine, frames);
        await stack.Start(ControllerVector);
        return new(served, stack, await ServiceBackEnd.Start(machine.Cpu, machine.Cpu, frames, stack, BackEndVector, backEnd), guests);
    }

    /// <summary>Starts a process for each VM that models a controller.</summary>
    /// <param name="create">Makes a controller, plugged in nowhere yet.</param>
    /// <param name="options">How the processes work.</param>
    /// <exception cref="InvalidOperationException">A VM cannot have one.</exception>
    public async Task StartModels(Func<PciFunction> create, MonitorOptions options)
    {
        WindowDriver driver = await WindowDriver.Start(Service, WindowVector);
        foreach (VirtualMachine guest in _guests)
        {
            _ = Service.Model(guest);
            UserLevelMonitor monitor = new(guest, options, driver);
            _monitors.Add(monitor);
            _models.Add(new(guest, create(), ModelPlace, monitor: monitor));
        }
    }

    /// <summary>Shows a device, which was just reset, to a VM.</summary>
    /// <returns>Whether it has a port for it.</returns>
    public ValueTask<bool> Attach(int guest, IHostUsbDevice device) => _models.Count == 0 ? BackEnd.Attach(guest, device) : _models[guest].Attach(device);

    /// <summary>Takes a device from a VM.</summary>
    public ValueTask Detach(int guest, IHostUsbDevice device) => _models.Count == 0 ? BackEnd.Detach(guest, device) : _models[guest].Detach(device);

    /// <summary>Gives the device at a port to a VM.</summary>
    /// <param name="guest">Which VM.</param>
    /// <param name="port">The port of the controller.</param>
    /// <exception cref="InvalidOperationException">It does not come back from its reset, or the VM has no port left.</exception>
    public async Task<HostUsbDevice> Give(int guest, int port)
    {
        HostUsbDevice device = new(_stack, port);
        return await device.Reset() && await Attach(guest, device)
            ? device
            : throw new InvalidOperationException($"{device.Name} cannot be given to {_guests[guest].Name}.");
    }

    /// <summary>It crashes: from one moment to the next it does nothing any more.</summary>
    public ValueTask Crash() => Service.Machine.Host.Destroy(Service.Machine);
}
