using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What must be true before a device goes a step further, and the reason where it is not. Nothing here changes anything.</summary>
internal static class AssignmentRules
{
    private const int MultiFunctionBit = 0x80;
    private const uint DisplayClass = 0x03;
    private const uint UsbClass = 0x0C03;

    /// <summary>Whether a device could be given to a VM at all.</summary>
    public static AssignmentResult Check(Host host, SourceId source)
    {
        AssignmentResult place = CheckPlace(host, source);
        if (!place.IsDone)
            return place;
        AssignmentResult reserved = CheckReserved(host, source);
        if (!reserved.IsDone)
            return reserved;
        try
        {
            if (DeviceReset.TryFind(host, source) is not { } reset)
                return Refuse(AssignmentRefusal.NoReset, $"{source} cannot reset itself, and there is no bridge above that could reset its bus");
            DeviceGroup group = host.GroupOf(source);
            foreach (SourceId other in reset.Others)
            {
                if (!group.Contains(other))
                    return Refuse(AssignmentRefusal.NoReset, $"{source} cannot reset itself, and {other}, which is not of its group, is on its bus");
            }

            return AssignmentResult.Done;
        }
        catch (DeviceException exception)
        {
            return Refuse(AssignmentRefusal.Malformed, exception.Message);
        }
    }

    /// <summary>Whether a device is there; bridges stay with the host.</summary>
    public static AssignmentResult CheckPlace(Host host, SourceId source)
    {
        IConfigurationAccess space = host.Configuration.Open(source);
        if (space.Read16(PciOffset.VendorId) == ushort.MaxValue)
            return Refuse(AssignmentRefusal.NotThere, $"no function answers at {source}");
        return (space.Read8(PciOffset.HeaderType) & ~MultiFunctionBit) == 0
            ? AssignmentResult.Done
            : Refuse(AssignmentRefusal.Bridge, $"{source} is a bridge");
    }

    /// <summary>Whether all that is reset with a device can be: no guest and no driver of the host is using it.</summary>
    public static AssignmentResult CheckReset(Host host, SourceId source, DeviceReset reset)
    {
        foreach (SourceId other in reset.Others)
        {
            if (!CheckPlace(host, other).IsDone)
                continue;
            if ((host.FindAssignment(other)?.State ?? AssignmentState.Host) is AssignmentState.Host or AssignmentState.Assigned)
                return Refuse(AssignmentRefusal.GroupInUse, $"{source} is reset together with {other}, which is in use");
        }

        return AssignmentResult.Done;
    }

    /// <summary>Whether nobody but a VM can do anything with the functions that a device cannot be kept apart from.</summary>
    public static AssignmentResult CheckIsolation(Host host, Assignment device, VirtualMachine machine)
    {
        foreach (Assignment other in device.Group.Functions)
        {
            if (other == device)
                continue;
            string? user = other.State == AssignmentState.Host ? "the host" : other.Machine is { } owner && owner != machine ? owner.Name : null;
            if (user is not null)
                return Refuse(AssignmentRefusal.GroupInUse, $"{other.Source} is with {user}, and cannot be kept apart: {Why(device, other)}");
        }

        AssignmentResult mapping = CheckMapping(host, device, machine);
        if (!mapping.IsDone)
            return mapping;
        if (ReachUnderSameName(host, device) is { } shared && shared.Machine != machine)
            return Refuse(AssignmentRefusal.GroupInUse, $"requests of {device.Source} arrive as those of {device.Requester}, which {shared.Machine} has");
        foreach (ReservedRegion region in host.Reserved.KeptFor(device.Source))
        {
            if (machine.Memory.Overlaps(region.Start.Value, region.Length))
                return Refuse(AssignmentRefusal.ReservedMemory, $"{machine.Name} has memory at {region}, which {device.Source} uses on its own");
        }

        return AssignmentResult.Done;
    }

    /// <summary>Whether a device can go to the host: no VM has a function that it cannot be kept apart from.</summary>
    public static AssignmentResult CheckReturn(Assignment device)
    {
        foreach (Assignment other in device.Group.Functions)
        {
            if (other != device && other.Machine is { } owner)
                return Refuse(AssignmentRefusal.GroupInUse, $"{other.Source} is with {owner}, and cannot be kept apart: {Why(device, other)}");
        }

        return AssignmentResult.Done;
    }

    /// <summary>What another device has under the name that the requests of a device arrive with; null where there is none.</summary>
    public static DeviceReach? ReachUnderSameName(Host host, Assignment device)
    {
        if (!host.Topology.SharesRequester(device.Source.Bus))
            return null;
        SourceId requester = device.Requester;
        return host.Assignments.Select(other => other.Reach).FirstOrDefault(reach => reach?.Source == requester);
    }

    /// <summary>The refusal of a device that has others in its group.</summary>
    public static AssignmentResult PartOfGroup(Assignment device, DeviceGroup group)
    {
        Assignment[] others = [.. group.Functions.Where(function => function != device)];
        string names = string.Join(", ", others.Select(other => other.Source));
        return Refuse(AssignmentRefusal.PartOfGroup, $"{device.Source} goes to a VM together with {names}: {Why(device, others[0])}");
    }

    private static AssignmentResult CheckReserved(Host host, SourceId source)
    {
        if (!host.Reserved.HasRegions(source))
            return AssignmentResult.Done;
        uint code = host.Configuration.Open(source).Read32(PciOffset.Revision) >> 8;
        return host.Options.ReservedMemoryPolicy switch
        {
            ReservedMemoryPolicy.KeepMapped => AssignmentResult.Done,
            ReservedMemoryPolicy.RefuseUnlessDone when code >> 16 == DisplayClass || code >> 8 == UsbClass => AssignmentResult.Done,
            _ => Refuse(AssignmentRefusal.ReservedMemory, $"firmware uses {source} with memory of its own, {host.Reserved.RegionsOf(source).First()}"),
        };
    }

    // Without translation a device reaches every VM and the VMM: that is never what somebody gets without having asked for it.
    private static AssignmentResult CheckMapping(Host host, Assignment device, VirtualMachine machine)
    {
        switch (machine.Mapping.Policy)
        {
            case MappingPolicy.Untranslated when !host.Options.AllowsUntranslated:
                return Refuse(AssignmentRefusal.Untranslated, $"{device.Source} would reach all memory of the host: nothing would translate for it");
            case MappingPolicy.Untranslated when !host.Remapping.CanPassThrough:
                return Refuse(AssignmentRefusal.Untranslated, $"the remapping unit lets no requests of {device.Source} through without translating them");
            case MappingPolicy.Static when machine.Memory.Lazy is not null:
                return Refuse(AssignmentRefusal.NotAllMapped, $"memory of {machine.Name} comes when it is touched, so that not all of it can be mapped");
            case MappingPolicy.Static when machine.Memory.Bytes / 4096 > machine.PinnedPagesMax - Math.Min(machine.PinnedPages, machine.PinnedPagesMax):
                return Refuse(AssignmentRefusal.NotAllMapped, $"{machine.Name} may pin {machine.PinnedPagesMax} pages, and has {machine.Memory.Bytes / 4096}");
            default:
                return AssignmentResult.Done;
        }
    }

    private static string Why(Assignment device, Assignment other) =>
        string.Join("; ", device.Group.Explain(device.Source, other.Source).Select(link => link.ToString()));

    private static AssignmentResult Refuse(AssignmentRefusal refusal, string reason) => new(refusal, reason);
}
