using Dma.Drivers;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A host with a USB controller and devices, and a VM that gets at them in one of three ways.</summary>
internal sealed class ModelWorld : IDisposable
{
    private const ulong MiB = 1 << 20;
    private const ulong HostBytes = 256 * MiB;
    private const ulong GuestBytes = 16 * MiB;
    private const int ControllerPlace = 0x1D;
    private const byte Vector = 0x41;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly UsbController _controller;
    private readonly List<IUsbDevice> _devices = [];

    /// <summary>A host that is switched off.</summary>
    /// <param name="model">How its VM gets at the devices.</param>
    /// <param name="controller">One of <see cref="UsbControllers.Names"/>.</param>
    /// <param name="profile">The remapping hardware.</param>
    /// <param name="seed">What all chance comes from.</param>
    /// <param name="trace">Who writes down what goes over the bus of the host; null for nobody.</param>
    public ModelWorld(IoModel model, string controller, HardwareProfile profile, ulong seed, BusTrace? trace = null)
    {
        (Model, Kind) = (model, controller);
        Host = new(new() { MemoryBytes = HostBytes, Profile = profile, Seed = seed, Trace = trace });
        _controller = UsbControllers.Create(controller, Host.Loop);
        Host.Pci.Add(_controller.Function, ControllerPlace);
    }

    /// <summary>How its VM gets at the devices.</summary>
    public IoModel Model { get; }

    /// <summary>The name of the controller.</summary>
    public string Kind { get; }

    /// <summary>The host.</summary>
    public Host Host { get; }

    /// <summary>The VM; there is one once it was started.</summary>
    public VirtualMachine Machine { get => field ?? throw new InvalidOperationException("It was not started."); private set; }

    /// <summary>The buses of the controller of the host.</summary>
    public IEnumerable<UsbBus> Buses => _controller.Buses.Select(bus => bus.Bus);

    /// <summary>The stack of drivers on the host; null where the VM has the controller.</summary>
    public HostUsbStack? Stack { get; private set; }

    /// <summary>The devices as the host knows them, in the order in which they were plugged in; empty where the VM has the controller.</summary>
    public IReadOnlyList<UsbDeviceAssignment> Assignments { get; private set; } = [];

    /// <summary>Who stands between the VM and single devices, or what keeps the controller to its own memory, for people.</summary>
    public string Mediator { get; private set; } = "";

    /// <summary>Plugs a device in, before <see cref="Start"/>.</summary>
    public T Plug<T>(T device)
        where T : IUsbDevice
    {
        UsbPort port = _controller.FreePortFor(device.Speed) ?? throw new InvalidOperationException("The controller has no port left.");
        port.Plug(device);
        _devices.Add(device);
        return device;
    }

    /// <summary>Switches the host on, gives the devices to the VM, and starts the driver of the controller there.</summary>
    /// <returns>The controller as the guest sees it. The devices are at its ports from 1 on, in the order in which they were plugged in.</returns>
    public async Task<IUsbHostController> Start()
    {
        await Host.Start();
        Machine = Host.CreateMachine("VM 1", GuestBytes);
        FrameAllocator frames = new(new(MiB), GuestBytes - MiB);
        return Model == IoModel.Direct ? await StartDirect(frames) : await StartMediated(frames);
    }

    /// <inheritdoc/>
    public void Dispose() => Host.Dispose();

    private async ValueTask<IUsbHostController> StartDirect(FrameAllocator frames)
    {
        if (Host.Remapping.Interrupts is { CanPost: true })
            Machine.Delivery = InterruptDelivery.Posted;
        Machine.Mapping = new() { Policy = MappingPolicy.Static };
        Assignment assignment = Host.AssignmentOf(_controller.Function.Source);
        AssignmentResult assigned = await assignment.Assign(Machine, _place);
        if (!assigned.IsDone)
            throw new InvalidOperationException($"The controller cannot be assigned: {assigned.Reason}.");
        Mediator = $"none: the whole controller is the VM's, in domain {assignment.DomainId} of the remapping unit, interrupts {(Machine.Delivery == InterruptDelivery.Posted ? "posted" : "passed on")}";
        GuestCpu cpu = Machine.Cpu;
        SourceId handle = new((ushort)(await cpu.Call(Hypercall.FindDevice)).Value);
        IDmaSpace dma = GuestDma.Create(Machine.Mapping, cpu, frames, cpu, handle);
        return await UsbHostControllers.Start(PciDevice.Open(cpu, new PciConfigurationPorts(cpu), handle, dma, Vector));
    }

    private async ValueTask<IUsbHostController> StartMediated(FrameAllocator frames)
    {
        Stack = new(Host, _controller.Function.Source);
        await Stack.Start();
        IUsbMediator mediator = Model == IoModel.Split
            ? new UsbBackEnd(Machine, Stack)
            : new EmulatedUsbController(Machine, UsbControllers.Create(Kind, Host.Loop).Function, _place);
        Mediator = $"{mediator.Name}, for single devices of a controller that stays with the host";
        List<UsbDeviceAssignment> assignments = [];
        foreach (IUsbDevice device in _devices)
        {
            HostUsbDevice onHost = new(Stack, _controller.PortOf(device));
            UsbDeviceAssignment assignment = new(onHost);
            if (!await onHost.LogIn() || !await assignment.Assign(mediator))
                throw new InvalidOperationException($"{onHost.Name} cannot be given to {Machine.Name}.");
            assignments.Add(assignment);
        }

        Assignments = assignments;
        GuestCpu cpu = Machine.Cpu;
        if (Model == IoModel.Split)
            return await ParavirtualUsbDriver.Start(cpu, cpu, frames, Vector);

        // A guest that knows nothing of a VMM: its memory is where it believes it to be, for its devices too.
        return await UsbHostControllers.Start(PciDevice.Open(cpu, new PciConfigurationPorts(cpu), _place, new IdentityDmaSpace(cpu, frames), Vector));
    }
}
