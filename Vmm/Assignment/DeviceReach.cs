using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a device reaches while a VM has it: a domain of its own, and more only where it is trusted.</summary>
/// <remarks>
/// <code>
///   not trusted           what is mapped in the domain, untranslated requests alone
///   trusted (ATS)         the same, and it may keep translations: it must be told of each change
///   trusted, VM is lazy   also any page of the VM, once it has asked for it
/// </code>
/// </remarks>
internal sealed class DeviceReach
{
    private const uint PageRequestsMax = 32;

    private readonly Host _host;
    private readonly SourceId _source;

    /// <summary>A domain with nothing in it, which no device uses yet.</summary>
    /// <param name="host">The host.</param>
    /// <param name="source">The device.</param>
    /// <param name="machine">The VM.</param>
    /// <exception cref="DeviceException">No domain can be had.</exception>
    public DeviceReach(Host host, SourceId source, VirtualMachine machine)
    {
        (_host, _source, Machine) = (host, source, machine);
        Domain = host.Remapping.CreateDomain();
        Mappings = new(machine, Domain);
    }

    /// <summary>The VM.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>The domain.</summary>
    public RemappingDomain Domain { get; }

    /// <summary>What the VM has mapped for the device.</summary>
    public DmaMappings Mappings { get; }

    /// <summary>How it reaches memory that comes when it is touched; null where it does not.</summary>
    public LazyDevice? Lazy { get; private set; }

    /// <summary>Lets the requests of the device into the domain.</summary>
    /// <param name="real">The device, clean.</param>
    /// <param name="isTrusted">Whether it may translate for itself, where it can.</param>
    /// <returns><c>false</c>, and nothing is left of it, where no frame is left for the context table of its bus.</returns>
    public async ValueTask<bool> TryOpen(RealFunction real, bool isTrusted)
    {
        DeviceTlbControl? trusted = isTrusted ? real.DeviceTlb : null;
        bool isLazy = trusted is not null && Machine.Memory.Lazy is not null && _host.Remapping.PageRequests is not null && real.Requests.CanAsk;
        if (trusted is not null)
            _host.AccessControl.Trust(_source);
        if (isLazy)
            real.Requests.EnablePasids();
        if (await _host.Remapping.Attach(_source, Domain, trusted) != DmaRefusal.None)
        {
            if (isLazy)
                real.Requests.DisablePasids();
            _host.AccessControl.Distrust(_source);
            await _host.Remapping.Release(Domain);
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

    /// <summary>Takes all of it back: no mapping, no pin, no context entry and no domain is left.</summary>
    public async ValueTask Close()
    {
        if (Lazy is { } lazy)
            await lazy.Close();
        Lazy = null;
        await Mappings.Close();
        await _host.Remapping.Detach(_source);
        _host.AccessControl.Distrust(_source);
        await _host.Remapping.Release(Domain);
    }
}
