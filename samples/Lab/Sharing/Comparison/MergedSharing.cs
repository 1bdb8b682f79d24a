using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>One EHCI controller that runs the merged schedules of VMs, with device addresses replaced in the copies, or by the engine that merges.</summary>
internal sealed class MergedSharing : SharingWorld
{
    private const int ControllerPlace = 2;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly EhciFunction _controller;
    private readonly MergeOptions _options;
    private readonly RegisterPoller? _poller;
    private MergedUsbController? _sharing;

    /// <summary>A host that is switched off.</summary>
    /// <param name="plan">What all mechanisms have in common.</param>
    /// <param name="options">Who merges, and how the VMM finds what guests add to their schedules.</param>
    /// <param name="polls">Whether registers are polled, and do not trap.</param>
    public MergedSharing(SharingPlan plan, MergeOptions options, bool polls = false)
        : base(plan)
    {
        _poller = polls ? new(Host) : null;
        _options = options with { Poller = _poller };
        EhciOptions ports = new() { PortCount = plan.Vms };
        if (options.Method == MergeMethod.Hardware)
        {
            MergingEhciController merging = new(Host.Loop, new() { Controller = ports, SlotCount = plan.Vms });
            merging.PlugInto(Host.Pci, ControllerPlace);
            _controller = merging;
        }
        else
        {
            _controller = new EhciController(Host.Loop, ports);
            Host.Pci.Add(_controller, ControllerPlace);
        }
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
        _sharing = await MergedUsbController.Start(Host, _controller.Source, _options)
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
