using Dma.Drivers;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>One EHCI controller that VMs have whole, one after the other.</summary>
internal sealed class RoundRobinSharing : SharingWorld
{
    private const int ControllerPlace = 2;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly EhciController _controller;
    private TimeSharedController? _sharing;

    /// <summary>A host that is switched off.</summary>
    public RoundRobinSharing(SharingPlan plan)
        : base(plan)
    {
        _controller = new(Host.Loop, new() { PortCount = plan.Vms, PortGates = true });
        Host.Pci.Add(_controller, ControllerPlace);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<UsbBus> Buses => [_controller.Usb];

    /// <inheritdoc/>
    public override void Plug(int number, IUsbDevice device) => _controller.Usb.Ports[number].Plug(device);

    /// <inheritdoc/>
    public override async ValueTask Prepare()
    {
        await base.Prepare();
        _sharing = await TimeSharedController.Start(Host, _controller.Source)
            ?? throw new InvalidOperationException("The controller cannot be shared.");
    }

    /// <inheritdoc/>
    public override async ValueTask<(IUsbHostController Usb, int Port)> Start(int number)
    {
        PrepareAssigned(Machines[number]);
        Require(await _sharing!.Give(Machines[number], _place, number + 1));
        return (await StartAssigned(Machines[number]), number + 1);
    }

    /// <inheritdoc/>
    public override ValueTask End(int number) => _sharing!.TakeBack(Machines[number]);
}
