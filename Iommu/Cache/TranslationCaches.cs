using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>All that a unit remembers of tables in memory, and the commands that make it forget.</summary>
internal sealed class TranslationCaches
{
    private readonly bool _matchesDomain;
    private readonly AddressSpaces _spaces;
    private readonly Tenants _tenants = new();

    public TranslationCaches(HardwareProfile profile)
    {
        _matchesDomain = profile.DeviceSelectiveMatchesDomain;
        _spaces = new();
        Iotlb = new(profile, _tenants);
        Contexts = new(profile);
        Pasids = new(profile);
        Paging = new(profile);
        Interrupts = new(profile);
    }

    /// <summary>The cache of translations.</summary>
    public Iotlb Iotlb { get; }

    /// <summary>The cache of context entries.</summary>
    public ContextCache Contexts { get; }

    /// <summary>The cache of PASID entries.</summary>
    public PasidCache Pasids { get; }

    /// <summary>The cache of paging entries that lead to tables.</summary>
    public PagingCache Paging { get; }

    /// <summary>The cache of interrupt remapping entries.</summary>
    public InterruptEntryCache Interrupts { get; }

    /// <summary>How many commands invalidated something.</summary>
    public ulong Invalidations { get; private set; }

    /// <summary>Who is told of each invalidation; may be null.</summary>
    public IRemappingObserver? Observer { get; set; }

    /// <summary>Who looks for invalidations that are missing; null where nobody does.</summary>
    public StaleTracker? Tracker
    {
        get => Paging.Tracker;
        set => Paging.Tracker = value;
    }

    /// <summary>The address space of the second stage of a domain.</summary>
    /// <param name="domain">A domain-id within what CAP.ND allows.</param>
    public AddressSpace SpaceOf(DomainId domain) => _spaces.Of(domain);

    /// <summary>The address space that a PASID entry gives its requests.</summary>
    public AddressSpace SpaceOf(in PasidInfo info) => _spaces.Of(info.Domain, KindOf(info.Type), info.Pasid);

    /// <summary>A stream in an address space, as cached translations are tagged with it.</summary>
    public Tenant TenantOf(RequestStream stream, AddressSpace space)
    {
        Tenant tenant = stream.Tenant is { } bound && bound.Space == space ? bound : space.TenantOf(stream);
        return tenant.Number != 0 ? tenant : Numbered(tenant);
    }

    /// <summary>A stream in the address space that a PASID entry gives its requests.</summary>
    public Tenant TenantOf(RequestStream stream, in PasidInfo info) =>
        stream.Tenant is { } bound && bound.Number != 0 && bound.Space.Is(info.Domain, KindOf(info.Type), info.Pasid)
            ? bound
            : TenantOf(stream, SpaceOf(info));

    private Tenant Numbered(Tenant tenant)
    {
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
    /// <param name="range">The pages, for pages.</param>
    public void InvalidateIotlb(IotlbGranularity granularity, DomainId domain, PageRange range)
    {
        Invalidations++;
        Observer?.IotlbInvalidated(granularity, domain, range.Address, range.Mask);
        if (granularity == IotlbGranularity.Global)
        {
            _spaces.DropAll();
            return;
        }

        bool wholly = granularity == IotlbGranularity.Domain;
        if (_spaces.Find(domain) is { } secondStage)
            Drop(secondStage, wholly, range);

        // Pages of the second stage are none of the first one, and may be anywhere in it: all that came from there goes.
        foreach (AddressSpace space in _spaces.OfPasids(domain))
        {
            bool byFirstStage = space.Kind is TranslationKind.FirstStage or TranslationKind.Nested;
            if (byFirstStage && !wholly && range.LeavesOnly)
                space.DropTranslations();
            else
                Drop(space, wholly || byFirstStage, range);
        }
    }

    /// <summary>Invalidates translations of a PASID.</summary>
    /// <param name="granularity">How much.</param>
    /// <param name="domain">The domain.</param>
    /// <param name="pasid">The PASID.</param>
    /// <param name="range">The pages, for pages.</param>
    public void InvalidatePasidIotlb(PasidIotlbGranularity granularity, DomainId domain, Pasid pasid, PageRange range)
    {
        Invalidations++;
        Observer?.PasidIotlbInvalidated(granularity, domain, pasid, range.Address, range.Mask);

        // What is of the second stage alone stays, and of what is passed through no pages can be named.
        bool wholly = granularity == PasidIotlbGranularity.Pasid;
        Drop(_spaces.Find(domain, TranslationKind.FirstStage, pasid), wholly, range);
        Drop(_spaces.Find(domain, TranslationKind.Nested, pasid), wholly, range);
        if (wholly)
            Drop(_spaces.Find(domain, TranslationKind.PassThrough, pasid), wholly, range);
    }

    /// <summary>Forgets a page of a PASID, and the tables on the way to it: no command of software, but what a page request implies.</summary>
    public void ForgetPage(in PasidInfo info, ulong page) =>
        Drop(_spaces.Find(info.Domain, KindOf(info.Type), info.Pasid), wholly: false, new(new(page), 0, LeavesOnly: false));

    /// <summary>Invalidates PASID entries.</summary>
    /// <param name="granularity">How much.</param>
    /// <param name="domain">The domain, for one domain or PASID.</param>
    /// <param name="pasid">The PASID, for one PASID.</param>
    public void InvalidatePasids(PasidCacheGranularity granularity, DomainId domain, Pasid pasid)
    {
        Invalidations++;
        Observer?.PasidsInvalidated(granularity, domain, pasid);
        Tracker?.PasidsInvalidated(granularity, domain, pasid);
        switch (granularity)
        {
            case PasidCacheGranularity.Global:
                Pasids.DropAll();
                break;
            case PasidCacheGranularity.Domain:
                Pasids.DropDomain(domain);
                break;
            default:
                Pasids.DropPasid(domain, pasid);
                break;
        }
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

    /// <summary>Forgets contexts, PASIDs and translations.</summary>
    public void DropAll()
    {
        Contexts.DropAll();
        Pasids.DropAll();
        _spaces.DropAll();
    }

    private static TranslationKind KindOf(PasidTranslationType type) => type switch
    {
        PasidTranslationType.FirstStage => TranslationKind.FirstStage,
        PasidTranslationType.Nested => TranslationKind.Nested,
        PasidTranslationType.SecondStage => TranslationKind.SecondStage,
        _ => TranslationKind.PassThrough,
    };

    // A cache may lose anything at any time, and this happens once in a hundred thousand invalidations.
    private void RestartNumbers()
    {
        Iotlb.Clear();
        _spaces.DropAll();
        _tenants.Restart();
    }

    private void Drop(AddressSpace? space, bool wholly, PageRange range)
    {
        if (space is null)
            return;
        if (wholly || range.Mask >= IotlbTag.PageBits)
        {
            _spaces.Drop(space);
            return;
        }

        Iotlb.DropPages(space, range.Address.Value, range.Mask);
        if (!range.LeavesOnly)
            Paging.DropPages(space, range.Address.Value, range.Mask);
    }

    private void DropFunctions(DomainId domain, SourceId source, int functionMask)
    {
        foreach (SourceId function in InvalidationRules.Functions(source, functionMask))
            Contexts.DropDevice(function, _matchesDomain ? domain : null);
    }
}
