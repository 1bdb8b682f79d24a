using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The memory that firmware set aside for devices: with the host, such a device reaches it in a domain of its own, at its physical addresses.</summary>
/// <param name="host">The host.</param>
internal sealed class ReservedMemory(Host host)
{
    private readonly Dictionary<SourceId, (RemappingDomain Domain, SourceId Requester)> _open = [];

    /// <summary>Whether a device has such memory.</summary>
    public bool HasRegions(SourceId device) => host.Options.ReservedMemory.Any(region => region.Devices.Contains(device));

    /// <summary>The regions of a device.</summary>
    public IEnumerable<ReservedRegion> RegionsOf(SourceId device) => host.Options.ReservedMemory.Where(region => region.Devices.Contains(device));

    /// <summary>The regions that a device keeps while a VM has it.</summary>
    public IReadOnlyList<ReservedRegion> KeptFor(SourceId device) =>
        host.Options.ReservedMemoryPolicy == ReservedMemoryPolicy.KeepMapped ? [.. RegionsOf(device)] : [];

    /// <summary>The domain in which the host lets a device reach its regions; null where it has none, or a VM has it.</summary>
    public RemappingDomain? DomainOf(SourceId device) => _open.GetValueOrDefault(device).Domain;

    /// <summary>Lets every device with such memory reach it, from the start.</summary>
    public async ValueTask OpenAll()
    {
        foreach (SourceId device in host.Options.ReservedMemory.SelectMany(region => region.Devices).Distinct())
            await Open(device);
    }

    /// <summary>Lets a device reach its regions: the host has it.</summary>
    /// <exception cref="DeviceException">No domain or no frame is left for it.</exception>
    public async ValueTask Open(SourceId device)
    {
        await Close(device);
        if (!HasRegions(device))
            return;
        SourceId requester = host.Topology.RequesterOf(device);

        // Devices whose requests arrive under one name have one domain together.
        RemappingDomain domain = _open.Values.FirstOrDefault(other => other.Requester == requester).Domain ?? host.Remapping.CreateDomain();
        _open.Add(device, (domain, requester));
        DmaRefusal refusal = DmaRefusal.None;
        foreach (ReservedRegion region in RegionsOf(device))
        {
            if (refusal == DmaRefusal.None)
                refusal = await domain.Map(new(region.Start.Value), new(region.Start.Value), region.Length, DmaDirection.Bidirectional);
        }

        if (refusal == DmaRefusal.None && domain.Attached == 0)
            refusal = await host.Remapping.Attach(requester, domain);
        if (refusal != DmaRefusal.None)
            throw new DeviceException($"{device} cannot reach the memory that firmware set aside for it: {refusal}.");
    }

    /// <summary>Takes its regions from a device; where none were open, nothing happens.</summary>
    public async ValueTask Close(SourceId device)
    {
        if (!_open.TryGetValue(device, out (RemappingDomain Domain, SourceId Requester) open))
            return;
        if (_open.Values.Count(other => other.Domain == open.Domain) == 1)
        {
            if (open.Domain.Attached != 0)
                await host.Remapping.Detach(open.Requester);
            await host.Remapping.Release(open.Domain);
        }

        _ = _open.Remove(device);
    }
}
