using Dma.Iommu;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The groups of a host, found out when they are needed and again when something was plugged in or pulled out.</summary>
/// <param name="host">The host.</param>
internal sealed class DeviceGroups(Host host)
{
    private readonly Dictionary<SourceId, DeviceGroup> _groups = [];
    private bool _isKnown;

    /// <summary>The group of a function; one of its own where nobody knows of it.</summary>
    public DeviceGroup Of(SourceId function)
    {
        if (!_isKnown)
            Find();
        if (!_groups.TryGetValue(function, out DeviceGroup? group))
            _groups.Add(function, group = new(isolation: null, [host.AssignmentOf(function)]));
        return group;
    }

    /// <summary>Something was plugged in or pulled out.</summary>
    public void Forget()
    {
        _isKnown = false;
        host.Topology.Forget();
    }

    private void Find()
    {
        _isKnown = true;
        if (!host.Options.KeepsGroupsTogether)
            return;
        IReadOnlyCollection<TopologyFunction> functions = host.Topology.Read();
        HashSet<SourceId> bridges = [.. functions.Where(function => function.IsBridge).Select(function => function.Source)];
        Dictionary<SourceId, DeviceGroup> before = new(_groups);
        _groups.Clear();
        foreach (IsolationGroup isolation in IsolationGroups.Of(functions).All)
        {
            SourceId[] devices = [.. isolation.Functions.Where(function => !bridges.Contains(function))];

            // A group that is as it was stays the same object, which a journey may be under way with.
            DeviceGroup group = devices.Length != 0 && before.TryGetValue(devices[0], out DeviceGroup? old)
                && old.Functions.Select(function => function.Source).SequenceEqual(devices)
                ? old
                : new(isolation, [.. devices.Select(host.AssignmentOf)]);
            foreach (SourceId function in isolation.Functions)
                _groups.Add(function, group);
        }
    }
}
