using System.Runtime.InteropServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>All that a unit remembers of tables in memory, and the commands that make it forget.</summary>
internal sealed class TranslationCaches
{
    private readonly bool _matchesDomain;
    private readonly AddressSpace?[] _spaces;
    private readonly Dictionary<DomainId, List<AddressSpace>> _processes = [];
    private readonly Dictionary<(DomainId, TranslationKind, Pasid), AddressSpace> _processSpaces = [];
    private readonly List<AddressSpace> _used = [];
    private readonly List<RequestStream> _streams = [];
    private readonly Tenants _tenants = new();
    private ulong _lastStamp;

    public TranslationCaches(HardwareProfile profile)
    {
        _matchesDomain = profile.DeviceSelectiveMatchesDomain;
        _spaces = new AddressSpace?[1 << Math.Min(16, 4 + (2 * profile.Capabilities.DomainsCode))];
        Iotlb = new(profile, _tenants);
        Contexts = new(profile);
        Interrupts = new(profile);
    }

    /// <summary>The cache of translations.</summary>
    public Iotlb Iotlb { get; }

    /// <summary>The cache of context entries.</summary>
    public ContextCache Contexts { get; }

    /// <summary>The cache of interrupt remapping entries.</summary>
    public InterruptEntryCache Interrupts { get; }

    /// <summary>How many commands invalidated something.</summary>
    public ulong Invalidations { get; private set; }

    /// <summary>Who is told of each invalidation; may be null.</summary>
    public IRemappingObserver? Observer { get; set; }

    /// <summary>Who looks for invalidations that are missing; null where nobody does.</summary>
    public StaleTracker? Tracker { get; set; }

    /// <summary>A stream of requests that the caches can tell from others.</summary>
    /// <param name="port">The requester.</param>
    public RequestStream CreateStream(RemappedPort port)
    {
        RequestStream stream = new(port);
        _streams.Add(stream);
        return stream;
    }

    /// <summary>The address space of the second stage of a domain.</summary>
    /// <param name="domain">A domain-id within what CAP.ND allows.</param>
    public AddressSpace SpaceOf(DomainId domain) =>
        _spaces[domain.Value] ??= Create(domain, TranslationKind.SecondStage, default);

    /// <summary>An address space of a PASID of a domain.</summary>
    /// <param name="domain">A domain-id within what CAP.ND allows.</param>
    /// <param name="kind">How its translations are made; not by the second stage alone.</param>
    /// <param name="pasid">The PASID.</param>
    public AddressSpace SpaceOf(DomainId domain, TranslationKind kind, Pasid pasid)
    {
        if (_processSpaces.TryGetValue((domain, kind, pasid), out AddressSpace? known))
            return known;
        AddressSpace space = Create(domain, kind, pasid);
        _processSpaces.Add((domain, kind, pasid), space);
        if (!_processes.TryGetValue(domain, out List<AddressSpace>? processes))
            _processes[domain] = processes = [];
        processes.Add(space);
        return space;
    }

    /// <summary>A stream in an address space, as cached translations are tagged with it.</summary>
    public Tenant TenantOf(RequestStream stream, AddressSpace space)
    {
        Tenant tenant = stream.Tenant is { } bound && bound.Space == space ? bound : space.TenantOf(stream);
        if (tenant.Number != 0)
            return tenant;
        if (_tenants.AreExhausted)
            RestartNumbers();
        _tenants.Number(tenant);
        return tenant;
    }

    /// <summary>Invalidates context entries.</summary>
    /// <param name="granularity">How much.</param>
    /// <param name="domain">The domain, for one domain or device.</param>
    /// <param name="source">The requester, for one device.</param>
    /// <param name="functionMask">0 to 3: how many of the bits 2:0 of the requester do not matter, from bit 2 down.</param>
    public void InvalidateContext(ContextGranularity granularity, DomainId domain, SourceId source, int functionMask)
    {
        Invalidations++;
        Observer?.ContextInvalidated(granularity, domain, source, functionMask);
        Tracker?.ContextInvalidated(granularity, domain, source, functionMask);
        switch (granularity)
        {
            case ContextGranularity.Global:
                Contexts.DropAll();
                break;
            case ContextGranularity.Domain:
                Contexts.DropDomain(domain);
                break;
            default:
                DropFunctions(domain, source, functionMask);
                break;
        }
    }

    /// <summary>Invalidates translations.</summary>
    /// <param name="granularity">How much.</param>
    /// <param name="domain">The domain, for one domain or pages.</param>
    /// <param name="address">The first address, for pages.</param>
    /// <param name="addressMask">2^mask pages.</param>
    public void InvalidateIotlb(IotlbGranularity granularity, DomainId domain, Iova address, int addressMask)
    {
        Invalidations++;
        Observer?.IotlbInvalidated(granularity, domain, address, addressMask);
        if (granularity == IotlbGranularity.Global)
        {
            DropTranslations();
            return;
        }

        // A domain that was never used, or has a number that the unit does not implement, has nothing here.
        if (domain.Value < _spaces.Length && _spaces[domain.Value] is { } space)
            Drop(space, wholly: granularity == IotlbGranularity.Domain, address, addressMask);

        // Tables of the first stage are not addressed by what the command names: all that came from them goes.
        foreach (AddressSpace process in CollectionsMarshal.AsSpan(_processes.GetValueOrDefault(domain)))
            Drop(process, wholly: granularity == IotlbGranularity.Domain || process.Kind != TranslationKind.PassThrough, address, addressMask);
    }

    /// <summary>Invalidates translations of a PASID.</summary>
    /// <param name="granularity">How much.</param>
    /// <param name="domain">The domain.</param>
    /// <param name="pasid">The PASID.</param>
    /// <param name="address">The first address, for pages.</param>
    /// <param name="addressMask">2^mask pages.</param>
    public void InvalidatePasidIotlb(PasidIotlbGranularity granularity, DomainId domain, Pasid pasid, Iova address, int addressMask)
    {
        Invalidations++;
        Observer?.PasidIotlbInvalidated(granularity, domain, pasid, address, addressMask);

        // Nothing here is of the second stage alone; what is passed through has no pages that software would name.
        bool wholly = granularity == PasidIotlbGranularity.Pasid;
        for (TranslationKind kind = TranslationKind.FirstStage; kind <= TranslationKind.PassThrough; kind++)
        {
            if ((wholly || kind != TranslationKind.PassThrough) && _processSpaces.TryGetValue((domain, kind, pasid), out AddressSpace? process))
                Drop(process, wholly, address, addressMask);
        }
    }

    /// <summary>Invalidates PASID entries.</summary>
    /// <param name="granularity">How much.</param>
    /// <param name="domain">The domain, for one domain or PASID.</param>
    /// <param name="pasid">The PASID, for one PASID.</param>
    public void InvalidatePasids(PasidCacheGranularity granularity, DomainId domain, Pasid pasid)
    {
        Invalidations++;
        Observer?.PasidsInvalidated(granularity, domain, pasid);
    }

    /// <summary>Invalidates interrupt remapping entries.</summary>
    /// <param name="first">The index of the first one.</param>
    /// <param name="count">How many: a power of two, of which the index is a multiple.</param>
    public void InvalidateInterruptEntries(int first, int count)
    {
        Invalidations++;
        Observer?.InterruptEntriesInvalidated(first, count);
        Interrupts.Drop(first, count);
    }

    /// <summary>Forgets contexts and translations.</summary>
    public void DropAll()
    {
        Contexts.DropAll();
        DropTranslations();
    }

    private ulong NextStamp() => ++_lastStamp;

    // A cache may lose anything at any time, and this happens once in a hundred thousand invalidations.
    private void RestartNumbers()
    {
        Iotlb.Clear();
        DropTranslations();
        _tenants.Restart();
    }

    private AddressSpace Create(DomainId domain, TranslationKind kind, Pasid pasid)
    {
        AddressSpace space = new(domain, kind, pasid, NextStamp());
        _used.Add(space);
        return space;
    }

    private void Drop(AddressSpace space, bool wholly, Iova address, int addressMask)
    {
        if (wholly || addressMask >= IotlbTag.PageBits)
            space.Drop(NextStamp());
        else
            Iotlb.DropPages(space, address.Value, addressMask);
    }

    private void DropTranslations()
    {
        foreach (AddressSpace space in _used)
            space.Drop(NextStamp());
    }

    private void DropFunctions(DomainId domain, SourceId source, int functionMask)
    {
        foreach (SourceId function in InvalidationRules.Functions(source, functionMask))
            Contexts.DropDevice(function, _matchesDomain ? domain : null);
    }
}
