using Dma.Hal;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The software of a VM that behaves: half of its memory, and a driver for each of its devices, with the DMA API of the VM's policy.</summary>
/// <param name="world">The world.</param>
/// <param name="guest">The VM.</param>
/// <param name="machine">Its machine: another one has software of its own.</param>
internal sealed class WorldHal(IsolationWorld world, WorldGuest guest, VirtualMachine machine)
{
    private readonly HalCpu _cpu = new(machine.Cpu, world, guest);
    private FrameAllocator? _frames;

    /// <summary>The driver of a device that the VM has; null where it has not.</summary>
    public HalDriver? DriverOf(WorldDevice device)
    {
        if (device.Assignment.State != AssignmentState.Assigned || device.Assignment.Machine != machine)
            return null;

        // What drivers had that lost their devices is free again with the last of them.
        if (!world.Devices.Any(other => other.User?.Machine == machine))
            _frames = null;
        return device.User ??= new(world, guest, machine, device, _cpu, _frames ??= UpperHalf());
    }

    private FrameAllocator UpperHalf()
    {
        ulong first = (ulong)(guest.Pages / 2);
        return new(new(first * FrameAllocator.FrameSize), ((ulong)guest.Pages - first) * FrameAllocator.FrameSize);
    }
}
