using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Nothing is shared: each VM is assigned an EHCI controller of its own. The reference.</summary>
/// <remarks>Its devices reach all memory of their VM, or what the guest's HAL maps by hypercalls.</remarks>
internal sealed class DirectSharing : SharingWorld
{
    private const int FirstPlace = 2;
    private static readonly SourceId _place = new(0, 4, 0);

    private readonly EhciController[] _controllers;
    private readonly MappingPolicy _policy;

    /// <summary>A host that is switched off.</summary>
    /// <param name="plan">What all mechanisms have in common.</param>
    /// <param name="policy">When memory is mapped for devices.</param>
    public DirectSharing(SharingPlan plan, MappingPolicy policy = MappingPolicy.Static)
        : base(plan)
    {
        _policy = policy;
        _controllers = [.. Enumerable.Range(0, plan.Vms).Select(_ => new EhciController(Host.Loop))];
        for (int number = 0; number < plan.Vms; number++)
            Host.Pci.Add(_controllers[number], FirstPlace + number);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<UsbBus> Buses => [.. _controllers.Select(controller => controller.Usb)];

    /// <inheritdoc/>
    public override void Plug(int number, IUsbDevice device) => _controllers[number].Usb.Ports[0].Plug(device);

    /// <inheritdoc/>
    public override async ValueTask<(IUsbHostController Usb, int Port)> Start(int number)
    {
        PrepareAssigned(Machines[number], _policy);
        Require(await AssignmentOf(number).Assign(Machines[number], _place));
        return (await StartAssigned(Machines[number]), 1);
    }

    /// <inheritdoc/>
    public override async ValueTask End(int number) => _ = await AssignmentOf(number).TakeBack();

    private Assignment AssignmentOf(int number) => Host.AssignmentOf(_controllers[number].Source);
}
