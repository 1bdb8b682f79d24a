using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Nothing is shared: each VM is assigned an EHCI or xHCI controller of its own. The reference.</summary>
/// <remarks>Its devices reach all memory of their VM, or what the guest's HAL maps by hypercalls.</remarks>
internal sealed class DirectSharing : SharingWorld
{
    private const int FirstPlace = 2;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly PciFunction[] _controllers;
    private readonly UsbBus[] _buses;
    private readonly TurnController _kind;
    private readonly MappingPolicy _policy;

    /// <summary>A host that is switched off.</summary>
    /// <param name="plan">What all mechanisms have in common.</param>
    /// <param name="kind">What controllers.</param>
    /// <param name="policy">When memory is mapped for devices.</param>
    public DirectSharing(SharingPlan plan, TurnController kind, MappingPolicy policy = MappingPolicy.Static)
        : base(plan)
    {
        (_kind, _policy) = (kind, policy);
        (_controllers, _buses) = (new PciFunction[plan.Vms], new UsbBus[plan.Vms]);
        for (int number = 0; number < plan.Vms; number++)
        {
            (_controllers[number], _buses[number]) = Build(kind);
            Host.Pci.Add(_controllers[number], FirstPlace + number);
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<UsbBus> Buses => _buses;

    /// <inheritdoc/>
    public override string PeriodicRefusal => _kind == TurnController.Xhci ? XhciPeriodicRefusal : "";

    /// <inheritdoc/>
    public override void Plug(int number, IUsbDevice device) => _buses[number].Ports[0].Plug(device);

    /// <inheritdoc/>
    public override async ValueTask<(IUsbHostController Usb, int Port)> Start(int number)
    {
        PrepareAssigned(Machines[number], _policy);
        Require(await AssignmentOf(number).Assign(Machines[number], _place));
        return (await StartAssigned(Machines[number]), 1);
    }

    /// <inheritdoc/>
    public override async ValueTask End(int number) => _ = await AssignmentOf(number).TakeBack();

    // A controller, and the bus at its first root port.
    private (PciFunction, UsbBus) Build(TurnController kind)
    {
        if (kind == TurnController.Ehci)
        {
            EhciController ehci = new(Host.Loop);
            return (ehci, ehci.Usb);
        }

        XhciController xhci = new(Host.Loop);
        return (xhci, xhci.Buses[0]);
    }

    private Assignment AssignmentOf(int number) => Host.AssignmentOf(_controllers[number].Source);
}
