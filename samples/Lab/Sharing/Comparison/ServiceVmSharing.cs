using Dma.Drivers;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>A service VM has the EHCI controller: it serves the front ends of the others, by shared rings and with granted pages mapped, or models controllers for them.</summary>
internal sealed class ServiceVmSharing : SharingWorld
{
    private const byte Vector = 0x41;
    private const int ControllerPlace = 0x1D;

    private readonly ServedDevices _served;
    private readonly bool _isZeroCopy;
    private readonly EhciController _controller;
    private readonly HostUsbDevice?[] _devices;
    private RunningService? _service;

    /// <summary>A host that is switched off.</summary>
    /// <param name="plan">What all mechanisms have in common.</param>
    /// <param name="served">How VMs have their devices.</param>
    /// <param name="isZeroCopy">Whether bulk data goes straight to pages of VMs, where controllers are modelled.</param>
    public ServiceVmSharing(SharingPlan plan, ServedDevices served, bool isZeroCopy = false)
        : base(plan)
    {
        (_served, _isZeroCopy) = (served, isZeroCopy);
        _controller = new(Host.Loop, new() { PortCount = plan.Vms });
        Host.Pci.Add(_controller, ControllerPlace);
        _devices = new HostUsbDevice[plan.Vms];
    }

    /// <inheritdoc/>
    public override IReadOnlyList<UsbBus> Buses => [_controller.Usb];

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, Processor Processor)> Helpers =>
        _service is { Service.Machine: { } machine } ? [(machine.Name, machine.Cpu.Processor)] : [];

    /// <inheritdoc/>
    public override void Plug(int number, IUsbDevice device) => _controller.Usb.Ports[number].Plug(device);

    /// <inheritdoc/>
    public override async ValueTask Prepare()
    {
        await base.Prepare();
        _service = await RunningService.Start(Host, _controller.Source, Machines, new(), new());
        if (_served == ServedDevices.Model)
            await _service.StartModels(() => new EhciController(Host.Loop), new() { IsZeroCopy = _isZeroCopy });
    }

    /// <inheritdoc/>
    public override async ValueTask<(IUsbHostController Usb, int Port)> Start(int number)
    {
        _devices[number] = await _service!.Give(number, number + 1);
        if (_served == ServedDevices.Model)
            return (await StartImitated(Machines[number], RunningService.ModelPlace), 1);
        return (await ParavirtualUsbDriver.Start(Machines[number].Cpu, Machines[number].Cpu, FramesOfGuest(), Vector), 1);
    }

    /// <inheritdoc/>
    public override async ValueTask End(int number)
    {
        if (_devices[number] is { } device)
            await _service!.Detach(number, device);
    }
}
