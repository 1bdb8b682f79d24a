using Dma.Drivers;
using Dma.Hal;
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
    private readonly RegisterPoller? _poller;
    private MergedUsbController? _sharing;

    /// <summary>A host that is switched off.</summary>
    /// <param name="plan">What all mechanisms have in common.</param>
    /// <param name="discovery">How the VMM finds what guests add to their schedules.</param>
    /// <param name="polls">Whether registers are polled, and do not trap.</param>
    public MergedSharing(SharingPlan plan, DiscoveryMethod discovery, bool polls = false)
        : base(plan)
    {
        (_discovery, _poller) = (discovery, polls ? new(Host) : null);
        _controller = new(Host.Loop, new() { PortCount = plan.Vms });
        Host.Pci.Add(_controller, ControllerPlace);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<UsbBus> Buses => [_controller.Usb];

    /// <inheritdoc/>
    public override ulong BurnedNs => _poller?.Counts.BurnedNs ?? 0;

    /// <inheritdoc/>
    public override void Plug(int number, IUsbDevice device) => _controller.Usb.Ports[number].Plug(device);

    /// <inheritdoc/>
    public override async ValueTask Prepare()
    {
        await base.Prepare();
        _sharing = await MergedUsbController.Start(Host, _controller.Source, new() { Discovery = _discovery, Poller = _poller })
            ?? throw new InvalidOperationException("The controller cannot be shared.");
    }

    /// <inheritdoc/>
    public override async ValueTask<(IUsbHostController Usb, int Port)> Start(int number)
    {
        VirtualMachine machine = Machines[number];
        if (_poller is not null)
            machine.Delivery = InterruptDelivery.Posted;
        Require(await _sharing!.Give(machine, _place, number + 1));
        return (await StartImitated(machine, _place, _poller is null ? null : device => new ExitlessDevice(machine.Cpu, device)), number + 1);
    }

    /// <inheritdoc/>
    public override ValueTask End(int number) => _sharing!.TakeBack(Machines[number]);
}
