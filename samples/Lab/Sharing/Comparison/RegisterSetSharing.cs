using Dma.Drivers;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>One EHCI controller with a register set for each VM, which replaces device addresses or does not; and dummies for the devices of others, or none.</summary>
internal sealed class RegisterSetSharing : SharingWorld
{
    private const int ManagementPlace = 1;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly bool _hasDummies;
    private readonly SharedEhciController _controller;
    private SharedUsbController? _sharing;

    /// <summary>A host that is switched off.</summary>
    /// <param name="plan">What all mechanisms have in common.</param>
    /// <param name="replacesAddresses">Whether device addresses are replaced.</param>
    /// <param name="hasDummies">Whether each VM has a dummy for the device of every other.</param>
    public RegisterSetSharing(SharingPlan plan, bool replacesAddresses, bool hasDummies = false)
        : base(plan)
    {
        _hasDummies = hasDummies;
        _controller = new(Host.Loop, new()
        {
            SetCount = plan.Vms,
            RootPortCount = plan.Vms,
            InternalPortCount = hasDummies ? plan.Vms - 1 : 0,
            Addresses = new() { IsOn = replacesAddresses },
        });
        _controller.PlugInto(Host.Pci, ManagementPlace);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<UsbBus> Buses => [_controller.Usb];

    /// <inheritdoc/>
    public override void Plug(int number, IUsbDevice device) => _controller.Usb.Ports[number].Plug(device);

    /// <inheritdoc/>
    public override async ValueTask Prepare()
    {
        await base.Prepare();
        _sharing = await SharedUsbController.Start(Host, _controller.Management.Source)
            ?? throw new InvalidOperationException("The controller cannot be shared.");
        if (_hasDummies)
            _ = PeriodicReservations.Start(Host, _sharing, _controller.InternalPortsOf);
    }

    /// <inheritdoc/>
    public override async ValueTask<(IUsbHostController Usb, int Port)> Start(int number)
    {
        PrepareAssigned(Machines[number]);
        Require(await _sharing!.Give(number, Machines[number], _place, number + 1));
        IUsbHostController usb = await StartAssigned(Machines[number]);
        if (_hasDummies)
            new DummyWatch((EhciDriver)usb, _sharing.FirstInternalPort).Start();
        return (usb, number + 1);
    }

    /// <inheritdoc/>
    public override async ValueTask End(int number) => _ = await _sharing!.TakeBack(number);
}
