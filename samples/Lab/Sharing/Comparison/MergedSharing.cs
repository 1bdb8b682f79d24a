using Dma.Drivers;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>One ordinary EHCI controller that runs the merged schedules of VMs, with device addresses replaced in the copies.</summary>
internal sealed class MergedSharing : SharingWorld
{
    private const int ControllerPlace = 2;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly EhciController _controller;
    private readonly DiscoveryMethod _discovery;
    private MergedUsbController? _sharing;

    /// <summary>A host that is switched off.</summary>
    /// <param name="plan">What all mechanisms have in common.</param>
    /// <param name="discovery">How the VMM finds what guests add to their schedules.</param>
    public MergedSharing(SharingPlan plan, DiscoveryMethod discovery)
        : base(plan)
    {
        _discovery = discovery;
        _controller = new(Host.Loop, new() { PortCount = plan.Vms });
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
        _sharing = await MergedUsbController.Start(Host, _controller.Source, new() { Discovery = _discovery })
            ?? throw new InvalidOperationException("The controller cannot be shared.");
    }

    /// <inheritdoc/>
    public override async ValueTask<(IUsbHostController Usb, int Port)> Start(int number)
    {
        Require(await _sharing!.Give(Machines[number], _place, number + 1));
        return (await StartImitated(Machines[number], _place), number + 1);
    }

    /// <inheritdoc/>
    public override ValueTask End(int number) => _sharing!.TakeBack(Machines[number]);
}
