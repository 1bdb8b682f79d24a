using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>What must hold of a world after each step, besides what is looked at while it happens.</summary>
/// <param name="world">The world.</param>
internal sealed class AfterStep(IsolationWorld world)
{
    private readonly TableCheck _tables = new(world);
    private readonly EptCheck _ept = new(world);
    private ulong _unclaimed;

    /// <summary>Checks all of it; tables only where they have changed.</summary>
    public void Run()
    {
        CheckPins();
        foreach (WorldDevice device in world.Devices)
        {
            CheckOwner(device);
            CheckInterrupts(device);
        }

        if (world.Host.Interrupts.Unclaimed != _unclaimed && world.AreInterruptsIsolated)
            world.Violate("K4", $"{world.Host.Interrupts.Unclaimed - _unclaimed} interrupts arrived that nobody expects");
        _unclaimed = world.Host.Interrupts.Unclaimed;
        if (world.Monitor.HaveUnitTablesChanged)
            _tables.Run();
        if (world.Monitor.HaveEptTablesChanged)
            _ept.Run();
        world.Monitor.HaveUnitTablesChanged = world.Monitor.HaveEptTablesChanged = false;
    }

    private void CheckPins()
    {
        (int pages, int waiting) = (0, 0);
        bool isKnown = true;
        foreach (WorldDevice device in world.Devices)
        {
            if (device.Busy != 0)
                return;
            pages += device.PagesMapped;
            isKnown &= device.FollowsOf is null;
            waiting += device.PagesWaiting(world.Host.Loop.NowNs);
        }

        if (world.Host.Frames.Pins < (ulong)pages || (isKnown && world.Host.Frames.Pins > (ulong)(pages + waiting)))
            world.Violate("I2", $"{world.Host.Frames.Pins} pins are held for {pages} pages that are mapped{(waiting == 0 ? "" : $" and {waiting} that wait")}");
    }

    // One owner; and in no state but with a VM, or the host, may it send anything.
    private void CheckOwner(WorldDevice device)
    {
        int owners = 0;
        foreach (WorldGuest guest in world.Guests)
            owners += guest.Machine is { } machine && machine.Devices.Contains(device.Assignment) ? 1 : 0;
        bool isAssigned = device.Assignment.State == AssignmentState.Assigned;
        if (owners != (isAssigned ? 1 : 0))
            world.Violate("K1", $"device {device.Name} is {device.Assignment.State}, and {owners} VMs see it");
        if (!isAssigned && device.Function.Bus is not null && (device.Function.Command & PciCommand.BusMaster) != 0)
            world.Violate("K2", $"device {device.Name} is bus master as {device.Assignment.State}");
        if (!isAssigned && device.Assignment.State is AssignmentState.Host or AssignmentState.Detached or AssignmentState.Clean && device.Assignment.DomainId is not null)
            world.Violate("K5", $"device {device.Name} still has a domain as {device.Assignment.State}");
    }

    private void CheckInterrupts(WorldDevice device)
    {
        if (device.Assignment.InterruptsForwarded > device.MessagesAccepted && world.AreInterruptsIsolated)
            world.Violate("K4", $"{device.Assignment.InterruptsForwarded} interrupts of device {device.Name} arrived, and it raised {device.MessagesAccepted}");
    }
}
