using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The host keeps its EHCI controller, and somebody passes single devices on to VMs: imitated controllers, or back ends of split drivers.</summary>
internal sealed class MediatedSharing : SharingWorld
{
    private const byte Vector = 0x41;
    private const int ControllerPlace = 0x1D;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly SharingMediator _mediator;
    private readonly EhciController _controller;
    private readonly RegisterPoller? _poller;
    private readonly UsbDeviceAssignment?[] _assignments;
    private readonly List<UserLevelMonitor> _monitors = [];
    private HostUsbStack? _stack;

    /// <summary>A host that is switched off.</summary>
    /// <param name="plan">What all mechanisms have in common.</param>
    /// <param name="mediator">Who passes devices on.</param>
    public MediatedSharing(SharingPlan plan, SharingMediator mediator)
        : base(plan)
    {
        _mediator = mediator;
        _controller = new(Host.Loop, new() { PortCount = plan.Vms });
        Host.Pci.Add(_controller, ControllerPlace);
        _assignments = new UsbDeviceAssignment[plan.Vms];
        _poller = mediator == SharingMediator.PolledController ? new(Host) : null;
    }

    /// <inheritdoc/>
    public override IReadOnlyList<UsbBus> Buses => [_controller.Usb];

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, Processor Processor)> Helpers =>
    [
        .. _stack is { } stack ? ((string, Processor)[])[("driver of the host", stack.Processor)] : [],
        .. _monitors.Select(static monitor => ($"monitor of {monitor.Machine.Name}", monitor.Processor)),
    ];

    /// <inheritdoc/>
    public override ulong BurnedNs => _poller?.Counts.BurnedNs ?? 0;

    /// <inheritdoc/>
    public override void Plug(int number, IUsbDevice device) => _controller.Usb.Ports[number].Plug(device);

    /// <inheritdoc/>
    public override async ValueTask Prepare()
    {
        await base.Prepare();
        _stack = new(Host, _controller.Source);
        await _stack.Start();
    }

    /// <inheritdoc/>
    public override async ValueTask<(IUsbHostController Usb, int Port)> Start(int number)
    {
        VirtualMachine machine = Machines[number];
        if (_mediator == SharingMediator.PolledController)
            machine.Delivery = InterruptDelivery.Posted;
        IUsbMediator mediator = _mediator == SharingMediator.BackEnd
            ? new UsbBackEnd(machine, _stack!)
            : new EmulatedUsbController(machine, new EhciController(Host.Loop), _place, _poller, MonitorOf(machine));
        HostUsbDevice device = new(_stack!, number + 1);
        UsbDeviceAssignment assignment = _assignments[number] = new(device);
        if (!await device.LogIn() || !await assignment.Assign(mediator))
            throw new InvalidOperationException($"{device.Name} cannot be given to {machine.Name}.");
        return (_mediator switch
        {
            SharingMediator.BackEnd => await ParavirtualUsbDriver.Start(machine.Cpu, machine.Cpu, FramesOfGuest(), Vector),
            SharingMediator.PolledController => await StartImitated(machine, _place, device => new ExitlessDevice(machine.Cpu, device)),
            _ => await StartImitated(machine, _place),
        }, 1);
    }

    /// <inheritdoc/>
    public override async ValueTask End(int number)
    {
        if (_assignments[number] is { } assignment)
            _ = await assignment.TakeBack();
    }

    private UserLevelMonitor? MonitorOf(VirtualMachine machine)
    {
        if (_mediator is not (SharingMediator.MonitoredController or SharingMediator.DirectController))
            return null;
        UserLevelMonitor monitor = new(machine, new() { IsZeroCopy = _mediator == SharingMediator.DirectController });
        _monitors.Add(monitor);
        return monitor;
    }
}

/// <summary>Who passes single devices of the host on.</summary>
internal enum SharingMediator
{
    /// <summary>A controller made of software; each access to its registers exits.</summary>
    TrappedController,

    /// <summary>A controller made of software whose registers are polled.</summary>
    PolledController,

    /// <summary>A controller made of software in a process of the service OS; each access to its registers exits, and wakes the process.</summary>
    MonitoredController,

    /// <summary>The same, and bulk data goes straight to pages of the VM.</summary>
    DirectController,

    /// <summary>The back end of a split driver.</summary>
    BackEnd,
}
