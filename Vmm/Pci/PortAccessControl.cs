using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The access control services of the host's ports: everything on, but that requests of trusted devices may say that they are translated.</summary>
/// <remarks>Translation blocking is off only in the ports above a trusted device; whatever else is below such a port passes there, too, and is stopped by its own context entry.</remarks>
internal sealed class PortAccessControl
{
    private const int Capability = 0x04;
    private const int Control = 0x06;

    private readonly PciTopology _topology;
    private readonly Dictionary<SourceId, (IConfigurationAccess Space, int At)> _ports = [];
    private readonly HashSet<SourceId> _trusted = [];

    /// <summary>Turns on what ports can check.</summary>
    /// <param name="configuration">The way to configuration space; buses are numbered already.</param>
    /// <param name="topology">The shape of the hierarchy.</param>
    /// <exception cref="DeviceException">The capability list of a port is malformed.</exception>
    public PortAccessControl(IPciConfiguration configuration, PciTopology topology)
    {
        _topology = topology;
        foreach (SourceId port in topology.Bridges)
        {
            IConfigurationAccess space = configuration.Open(port);
            int at = PciExtendedCapabilityList.Find(space, port, PciExtendedCapabilityId.AccessControl);
            if (at is not 0 and <= PciOffset.End - 8)
                _ports.Add(port, (space, at));
        }

        Update();
    }

    /// <summary>A device may send translated requests from now on.</summary>
    public void Trust(SourceId source)
    {
        if (_trusted.Add(source))
            Update();
    }

    /// <summary>A device may no longer.</summary>
    public void Distrust(SourceId source)
    {
        _ = _trusted.Remove(source);
        Update();
    }

    private void Update()
    {
        HashSet<SourceId> open = [];
        foreach (SourceId source in _trusted)
        {
            for (SourceId? port = _topology.BridgeAbove(source.Bus); port is { } above; port = _topology.BridgeAbove(above.Bus))
                _ = open.Add(above);
        }

        foreach ((SourceId port, (IConfigurationAccess space, int at)) in _ports)
        {
            AccessControls checks = (AccessControls)space.Read16(at + Capability) & AccessControls.Usual;
            if (open.Contains(port))
                checks &= ~AccessControls.TranslationBlocking;
            if (space.Read16(at + Control) != (ushort)checks)
                space.Write16(at + Control, (ushort)checks);
        }
    }
}
