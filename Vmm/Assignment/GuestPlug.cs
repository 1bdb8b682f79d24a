using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a guest has of a device that is assigned to it: a place in its PCI hierarchy, its registers, and its interrupt.</summary>
/// <remarks>
/// What is taken is written down before anything is changed, so that <see cref="Unplug"/> and <see cref="ReturnInterrupt"/>
/// undo all of it also where it broke off in the middle, and may be called again.
/// </remarks>
/// <param name="device">The device and its way.</param>
/// <param name="real">The device in the hands of the VMM.</param>
/// <param name="machine">The VM.</param>
internal sealed class GuestPlug(Assignment device, RealFunction real, VirtualMachine machine)
{
    private readonly List<(int Offset, ulong Address)> _bars = [];
    private AssignedFunction? _function;
    private InterruptForwarder? _forwarder;
    private DeviceInterrupt? _interrupt;

    /// <summary>Its place in the guest's PCI hierarchy; zero while it has none.</summary>
    public SourceId GuestAddress { get; private set; }

    /// <summary>How many interrupts were passed on to the guest.</summary>
    public ulong InterruptsForwarded => _forwarder?.Forwarded ?? 0;

    /// <summary>Whether interrupts are posted now; else they are passed on.</summary>
    public bool IsPosted => _interrupt?.IsPosted ?? false;

    /// <summary>The BARs whose registers the guest reaches without an exit.</summary>
    public IReadOnlyList<int> MappedBars => _function is { } function ? [.. function.MappedBars] : [];

    /// <summary>Plugs it into the guest's hierarchy.</summary>
    /// <param name="host">The host.</param>
    /// <param name="guestAddress">Where.</param>
    /// <returns>Done, or why not; what was taken until then is still to be given back.</returns>
    public async ValueTask<AssignmentResult> Plug(Host host, SourceId guestAddress)
    {
        if (!machine.IsRunning)
            return new(AssignmentRefusal.NoMachine, $"{machine.Name} has ended");
        if (PostedInterrupts.Prepare(machine) is { } missing)
            return new(AssignmentRefusal.NotPosted, missing);
        if (real.HasMessages)
        {
            _interrupt = DeviceInterrupt.TryTake(host, device.Requester);
            if (_interrupt is not { } interrupt)
                return new(AssignmentRefusal.NoVector, "all interrupt vectors of the host are in use");
            await interrupt.Route();
        }

        // Time has passed.
        if (!machine.IsRunning)
            return new(AssignmentRefusal.NoMachine, $"{machine.Name} has ended");
        if (guestAddress.Bus != 0 || guestAddress.Function != 0 || machine.Pci.Find(guestAddress) is not null)
            return new(AssignmentRefusal.GuestPlace, $"{guestAddress} of {machine.Name} is taken or no place for a device");
        if (!TryPlaceBars())
            return new(AssignmentRefusal.GuestPlace, $"{machine.Name} has no room for the BARs of {device.Source}");
        _function = new(real, machine.Memory, device.TrapsRegisters);
        RouteInterrupt(_function);
        GuestAddress = guestAddress;
        machine.Pci.Add(_function, guestAddress.Device);
        foreach ((int offset, ulong address) in _bars)
            machine.Pci.WriteConfiguration(guestAddress, offset, 4, (uint)address);
        machine.Add(device);
        return AssignmentResult.Done;
    }

    /// <summary>The guest does not see it any more.</summary>
    public void Unplug()
    {
        machine.Remove(device);
        if (_function is { } function)
        {
            if (function.Bus is not null)
                machine.Pci.Root.Remove(function);
            function.Unmap();
        }

        foreach ((_, ulong address) in _bars)
            machine.BarPlaces.Return(address);
        _bars.Clear();
        (_function, GuestAddress) = (null, default);
    }

    /// <summary>Nothing that the device raises reaches anyone any more; it does not send.</summary>
    public async ValueTask ReturnInterrupt()
    {
        _forwarder?.Stop();
        _forwarder = null;
        if (_interrupt is { } interrupt)
            await interrupt.Return();
        _interrupt = null;
    }

    private void RouteInterrupt(AssignedFunction function)
    {
        if (_interrupt is not { } interrupt)
            return;
        _forwarder = new(function.Interrupt, machine, interrupt.Signal);
        _forwarder.Run();
        if (machine.Schedule.Posting is { } posting)
            function.MessageMoved = message => interrupt.Follow(posting.TargetOf(message, device.IsUrgent), real);
        real.SendTo(interrupt.Message);
    }

    // As firmware would: places where the guest finds the registers, until it moves them.
    private bool TryPlaceBars()
    {
        foreach (PciBarInfo bar in real.Bars)
        {
            if (!machine.BarPlaces.TryTake(bar.Length, out ulong address))
                return false;
            _bars.Add((PciOffset.Bar0 + (4 * bar.Index), address));
        }

        return true;
    }
}
