using Dma.Drivers;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>One EHCI or xHCI controller that VMs have whole, one after the other.</summary>
internal sealed class RoundRobinSharing : SharingWorld
{
    private const int ControllerPlace = 2;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly PciFunction _controller;
    private readonly IReadOnlyList<UsbPort> _ports;
    private readonly TurnController _kind;
    private TimeSharedController? _sharing;

    /// <summary>A host that is switched off.</summary>
    /// <param name="plan">What all mechanisms have in common.</param>
    /// <param name="kind">What controller.</param>
    public RoundRobinSharing(SharingPlan plan, TurnController kind)
        : base(plan)
    {
        _kind = kind;
        if (kind == TurnController.Ehci)
        {
            EhciController ehci = new(Host.Loop, new() { PortCount = plan.Vms, PortGates = true });
            (_controller, _ports, Buses) = (ehci, ehci.Usb.Ports, [ehci.Usb]);
        }
        else
        {
            XhciController xhci = new(Host.Loop, new() { Usb2PortCount = plan.Vms, Usb3PortCount = 0, PortGates = true });
            (_controller, _ports, Buses) = (xhci, xhci.Ports, xhci.Buses);
        }

        Host.Pci.Add(_controller, ControllerPlace);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<UsbBus> Buses { get; }

    /// <inheritdoc/>
    public override string PeriodicRefusal => _kind == TurnController.Xhci ? XhciPeriodicRefusal : "";

    /// <inheritdoc/>
    public override void Plug(int number, IUsbDevice device) => _ports[number].Plug(device);

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
