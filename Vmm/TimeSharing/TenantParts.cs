using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a VM takes of the host for its part of a controller: all of it, or nothing.</summary>
/// <param name="Domain">What the controller may reach for it.</param>
/// <param name="Vector">What raises its interrupt on the host.</param>
/// <param name="Signal">What that wakes.</param>
/// <param name="Region">The frame of the VM in which its registers are kept.</param>
/// <param name="Bar">The place of the registers in its address space.</param>
internal sealed record TenantParts(RemappingDomain Domain, MessageInterrupt Vector, Signal Signal, PhysicalAddress Region, ulong Bar)
{
    /// <summary>Takes them.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="barBytes">How large the registers are.</param>
    /// <returns>The parts, or why not; nothing changed then.</returns>
    public static async ValueTask<(TenantParts?, AssignmentResult)> TryTake(VirtualMachine machine, ulong barBytes)
    {
        Host host = machine.Host;
        RemappingDomain domain;
        try
        {
            domain = host.Remapping.CreateDomain();
        }
        catch (DeviceException exception)
        {
            return (null, new(AssignmentRefusal.NoDomain, exception.Message));
        }

        if (!host.Vectors.TryTake(out MessageInterrupt vector, out Signal signal))
        {
            await host.Remapping.Release(domain);
            return (null, new(AssignmentRefusal.NoVector, "all interrupt vectors of the host are in use"));
        }

        bool hasRegion = host.Frames.TryAllocate(machine.Owner, FrameSize.Page4K, out PhysicalAddress region);
        if (hasRegion && machine.BarPlaces.TryTake(barBytes, out ulong bar))
            return (new(domain, vector, signal, region, bar), AssignmentResult.Done);
        if (hasRegion)
            host.Frames.Free(machine.Owner, region, FrameSize.Page4K);
        host.Vectors.Return(vector);
        await host.Remapping.Release(domain);
        return (null, hasRegion
            ? new(AssignmentRefusal.GuestPlace, $"{machine.Name} has no room for the registers")
            : new(AssignmentRefusal.NoDomain, $"no frame is left for the registers of {machine.Name}"));
    }

    /// <summary>Gives them back; nothing of the device leads to them any more.</summary>
    public async ValueTask Return(VirtualMachine machine)
    {
        Host host = machine.Host;
        machine.BarPlaces.Return(Bar);
        host.Vectors.Return(Vector);
        await host.Remapping.Release(Domain);
        host.Frames.Free(machine.Owner, Region, FrameSize.Page4K);
    }
}
