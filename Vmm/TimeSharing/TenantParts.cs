using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a VM takes of the host for its part of a controller: all of it, or nothing.</summary>
/// <param name="Domain">What the controller may reach for it.</param>
/// <param name="Vector">What raises its interrupt on the host.</param>
/// <param name="Signal">What that wakes.</param>
/// <param name="Region">Where its state is kept.</param>
/// <param name="Bar">The place of the registers in its address space.</param>
internal sealed record TenantParts(RemappingDomain Domain, MessageInterrupt Vector, Signal Signal, StateRegion Region, ulong Bar)
{
    /// <summary>Takes them.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="barBytes">How large the registers are.</param>
    /// <param name="scratchpads">Pages into which the controller saves what it saves by itself.</param>
    /// <returns>The parts, or why not; nothing changed then.</returns>
    public static async ValueTask<(TenantParts?, AssignmentResult)> TryTake(VirtualMachine machine, ulong barBytes, int scratchpads)
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

        StateRegion? region = StateRegion.TryTake(host, machine.Owner, scratchpads);
        bool hasRegion = region is not null && await region.TryMap(domain);
        if (hasRegion && machine.BarPlaces.TryTake(barBytes, out ulong bar))
            return (new(domain, vector, signal, region!, bar), AssignmentResult.Done);
        host.Vectors.Return(vector);
        await host.Remapping.Release(domain);
        region?.Free();
        return (null, hasRegion
            ? new(AssignmentRefusal.GuestPlace, $"{machine.Name} has no room for the registers")
            : new(AssignmentRefusal.NoDomain, $"no frames are left for the state of {machine.Name}"));
    }

    /// <summary>Gives them back; nothing of the device leads to them any more.</summary>
    public async ValueTask Return(VirtualMachine machine)
    {
        Host host = machine.Host;
        machine.BarPlaces.Return(Bar);
        host.Vectors.Return(Vector);
        await host.Remapping.Release(Domain);
        Region.Free();
    }
}
