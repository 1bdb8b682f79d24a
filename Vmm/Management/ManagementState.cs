namespace Dma.Vmm;

/// <summary>All that a management core knows, so that another one can go on where it stopped.</summary>
public sealed class ManagementState
{
    private readonly List<ManagementPort> _ports = [];
    private uint _last;

    internal ManagementState()
    {
    }

    /// <summary>The VMs, in the order in which they came.</summary>
    internal IReadOnlyList<ManagementPort> Ports => _ports;

    internal NameTable Names { get; } = new();

    internal Inbox HostInbox { get; } = new();

    /// <summary>The VM of a participant that can take messages or be asked about; null where there is none.</summary>
    internal ManagementPort? Find(uint number) => _ports.Find(port => port.Number == number && port.IsCurrent);

    /// <summary>A VM comes. Numbers are not used again: what was meant for one that ended reaches nobody.</summary>
    internal ManagementPort Add(VirtualMachine machine, ManagementDevice device, ManagementGrant grant, ManagementTransfers transfers)
    {
        // A device that another core knew before keeps its number.
        uint number = device.Self != 0 && Find(device.Self) is null ? device.Self : _last + 1;
        _last = Math.Max(_last, number);
        ManagementPort port = new(machine, device, grant, number, transfers);
        _ports.Add(port);
        return port;
    }

    internal void Remove(ManagementPort port) => _ports.Remove(port);
}
