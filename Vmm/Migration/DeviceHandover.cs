using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The devices of a VM that moves: each stays where it is, and the VM gets one of the same kind at the same place.</summary>
/// <param name="source">The VM that has them.</param>
/// <param name="destination">The computer that it moves to.</param>
/// <param name="devices">Which one stands in for which.</param>
internal sealed class DeviceHandover(VirtualMachine source, Host destination, IReadOnlyDictionary<SourceId, SourceId> devices)
{
    private const int Bars = 6;

    private readonly List<Place> _places = [];

    /// <summary>Whether the VM has devices that must be handed over.</summary>
    public bool IsNeeded => source.Devices.Count != 0 || _places.Count != 0;

    /// <summary>Sees whether it could be done; it changes nothing.</summary>
    /// <returns>Why not; null where it could.</returns>
    public (MigrationRefusal, string)? Check()
    {
        SourceId[] own = [.. source.Devices.Select(device => device.GuestAddress)];
        if (source.Pci.Root.Functions.FirstOrDefault(function => !own.Contains(function.Source)) is { } other)
            return (MigrationRefusal.VirtualDevice, $"the function at {other.Source} of {source} is a virtual one");
        if (source.Services.Count != 0)
            return (MigrationRefusal.VirtualDevice, $"{source} has USB devices of this computer, or a back end for them");
        if (source.Iommu is not null)
            return (MigrationRefusal.VirtualDevice, $"{source} has a remapping unit of its own");
        if (source.Devices.Count != 0 && source.Mapping.Policy == MappingPolicy.Untranslated)
            return (MigrationRefusal.NotLogged, $"nothing translates for {source.Devices[0].Source}, so that nobody knows what it writes");
        HashSet<SourceId> taken = [];
        foreach (Assignment device in source.Devices)
        {
            if (!devices.TryGetValue(device.Source, out SourceId standIn))
                return (MigrationRefusal.NoSuchDevice, $"no device is named in place of {device.Source}");
            Assignment assignment = destination.AssignmentOf(standIn);
            AssignmentResult check = assignment.Check();
            if (!check.IsDone || assignment.State != AssignmentState.Host || !taken.Add(standIn))
                return (MigrationRefusal.NoSuchDevice, check.IsDone ? $"{standIn} is in use" : check.Reason);
            if (KindOf(source.Host, device.Source) != KindOf(destination, standIn))
                return (MigrationRefusal.NoSuchDevice, $"{standIn} is another kind of device than {device.Source}");
        }

        return null;
    }

    /// <summary>Takes the devices from the VM; when it completes, they write nothing into its memory any more.</summary>
    /// <returns>Why one could not be; null where all are back.</returns>
    public async ValueTask<string?> TakeAll()
    {
        foreach (Assignment device in source.Devices.ToArray())
        {
            _places.Add(new(device, device.GuestAddress, [.. ReadBars(device.GuestAddress)]));
            AssignmentResult result = await device.TakeBack();
            if (device.Machine == source || device.State == AssignmentState.Quarantined)
                return result.Reason;
        }

        return null;
    }

    /// <summary>Gives the VM on the other computer its devices.</summary>
    /// <returns>Why it does not get one; null where it has all.</returns>
    public async ValueTask<string?> GiveAll(VirtualMachine target)
    {
        foreach (Place place in _places)
        {
            Assignment standIn = destination.AssignmentOf(devices[place.Device.Source]);
            standIn.TrustsDeviceTlb = place.Device.TrustsDeviceTlb;
            standIn.IsUrgent = place.Device.IsUrgent;
            AssignmentResult result = await standIn.Assign(target, place.Guest);
            if (!result.IsDone)
                return result.Reason;
            WriteBars(target, place);
        }

        return null;
    }

    /// <summary>Gives the VM back what was taken from it.</summary>
    /// <returns>Which devices it did not get back, and why; null where it has all.</returns>
    public async ValueTask<string?> Return()
    {
        List<string> lost = [];
        foreach (Place place in _places.Where(_ => source.IsRunning))
        {
            AssignmentResult result = await place.Device.Assign(source, place.Guest);
            if (result.IsDone)
                WriteBars(source, place);
            else
                lost.Add($"{place.Device.Source} did not come back: {result.Reason}");
        }

        return lost.Count == 0 ? null : string.Join("; ", lost);
    }

    // Vendor and device, and class with revision.
    private static (uint, uint) KindOf(Host host, SourceId device)
    {
        IConfigurationAccess space = host.Configuration.Open(device);
        return (space.Read32(PciOffset.VendorId), space.Read32(PciOffset.Revision));
    }

    private IEnumerable<uint> ReadBars(SourceId guest) =>
        Enumerable.Range(0, Bars).Select(bar => source.Pci.ReadConfiguration(guest, PciOffset.Bar0 + (4 * bar), 4));

    // Where the guest had them.
    private static void WriteBars(VirtualMachine machine, Place place)
    {
        for (int bar = 0; bar < Bars; bar++)
            machine.Pci.WriteConfiguration(place.Guest, PciOffset.Bar0 + (4 * bar), 4, place.Bars[bar]);
    }

    private sealed record Place(Assignment Device, SourceId Guest, uint[] Bars);
}
