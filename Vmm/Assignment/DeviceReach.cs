using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a device reaches while a VM has it: a domain of its own, and more only where it is trusted.</summary>
/// <remarks>
/// <code>
///   not trusted           what is mapped in the domain, untranslated requests alone
///   trusted (ATS)         the same, and it may keep translations: it must be told of each change
///   trusted, VM is lazy   also any page of the VM, once it has asked for it
///   static                all memory of the VM, as long as it has the device
///   untranslated          all memory of the machine
/// </code>
/// Devices whose requests arrive under one name, that of a bridge, have one reach together.
/// </remarks>
internal sealed class DeviceReach
{
    private const uint PageRequestsMax = 32;

    private readonly Host _host;
    private readonly SourceId _source;
    private bool _isTrusted;
    private bool _isClosed;

    /// <summary>A domain with nothing in it, which no device uses yet.</summary>
    /// <param name="host">The host.</param>
    /// <param name="source">The requester.</param>
    /// <param name="machine">The VM.</param>
    /// <exception cref="DeviceException">No domain can be had.</exception>
    public DeviceReach(Host host, SourceId source, VirtualMachine machine)
    {
        (_host, _source, Machine) = (host, source, machine);
        Domain = host.Remapping.CreateDomain();
        Mappings = new(machine, Domain);
        Requester = machine.Iommu?.Open(source, Domain, Mappings);
    }

    /// <summary>The requester.</summary>
    public SourceId Source => _source;

    /// <summary>The VM.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>The domain.</summary>
    public RemappingDomain Domain { get; }

    /// <summary>What the VM has mapped for the device.</summary>
    public DmaMappings Mappings { get; }

    /// <summary>What makes it follow the tables of the guest's own remapping unit; null where that has none.</summary>
    public GuestRequester? Requester { get; }

    /// <summary>How it reaches memory that comes when it is touched; null where it does not.</summary>
    public LazyDevice? Lazy { get; private set; }

    /// <summary>How many devices have it: one, or more where they share a name.</summary>
    public int Users { get; private set; } = 1;

    /// <summary>One more device has it.</summary>
    public DeviceReach Share()
    {
        Users++;
        return this;
    }

    /// <summary>Lets the requests of the device into the domain.</summary>
    /// <param name="real">The device, clean.</param>
    /// <param name="isTrusted">Whether it may translate for itself, where it can.</param>
    /// <param name="regions">Reserved memory that stays mapped at its physical addresses.</param>
    /// <returns><c>false</c>, and nothing is left of it, where no frame is left for the tables.</returns>
    public async ValueTask<bool> TryOpen(RealFunction real, bool isTrusted, IReadOnlyList<ReservedRegion> regions)
    {
        foreach (ReservedRegion region in regions)
        {
            if (await Domain.Map(new(region.Start.Value), new(region.Start.Value), region.Length, DmaDirection.Bidirectional) != DmaRefusal.None)
            {
                await Close();
                return false;
            }
        }

        // A guest's own unit decides itself what its device reaches, from the moment when it is connected.
        if (Machine.Mapping.Policy == MappingPolicy.Static && Requester is null && !await Mappings.TryMapAll())
        {
            await Close();
            return false;
        }

        if (Machine.Mapping.Policy == MappingPolicy.Untranslated)
        {
            if (await _host.Remapping.AttachPassThrough(_source) == DmaRefusal.None)
                return true;
            await Close();
            return false;
        }

        DeviceTlbControl? trusted = isTrusted ? real.DeviceTlb : null;
        bool isLazy = trusted is not null && Machine.Memory.Lazy is not null && _host.Remapping.PageRequests is not null && real.Requests.CanAsk;
        if (trusted is not null)
        {
            _isTrusted = true;
            _host.AccessControl.Trust(_source);
        }

        if (isLazy)
            real.Requests.EnablePasids();
        if (await _host.Remapping.Attach(_source, Domain, trusted) != DmaRefusal.None)
        {
            if (isLazy)
                real.Requests.DisablePasids();
            await Close();
            return false;
        }

        if (Requester is { } requester && !await requester.TryOpen())
        {
            await Close();
            return false;
        }

        if (Machine.Memory.DirtyLog is { } log)
            await log.Follow(Domain);
        if (isLazy)
        {
            Lazy = new(Machine, _source, Domain);
            await Lazy.Start();
            real.AllowRequests(PageRequestsMax);
        }

        return true;
    }

    /// <summary>A device gives it up. With the last one all of it is taken back: no mapping, no pin, no context entry and no domain is left.</summary>
    public async ValueTask Close()
    {
        if (Users > 1)
        {
            Users--;
            return;
        }

        if (_isClosed)
            return;
        if (Lazy is { } lazy)
            await lazy.Close();
        Lazy = null;

        // Once the unit lets nothing through any more, and has forgotten the domain, all that was mapped goes at once.
        if (_host.Remapping.IsAttached(_source))
            await _host.Remapping.Detach(_source);
        if (_isTrusted)
            _host.AccessControl.Distrust(_source);
        if (Requester is { } requester)
        {
            await requester.Disconnect();
            Machine.Iommu!.Close(requester);
        }

        await Mappings.Close();
        await _host.Remapping.Release(Domain);
        _isClosed = true;
    }
}
