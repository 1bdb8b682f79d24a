using System.Runtime.CompilerServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The way of a request in scalable mode: context, PASID entry, tables, rights, faults.</summary>
internal sealed class ScalableTranslator(
    PhysicalMemory memory, HardwareProfile profile, TranslationCaches caches, FaultLog faults, ProtectedRegions regions)
{
    private readonly ScalableMode _mode = new(memory, profile, caches);
    private readonly Iotlb _iotlb = caches.Iotlb;
    private readonly ScalableTracking? _tracking =
        caches.Tracker is { } tracker ? new(tracker, new(memory, profile, caches), caches, profile) : null;

    private readonly bool _rewalks = profile.RewalksBeforeRefusal;
    private readonly bool _cachesFaults = profile.CachesFaults && profile.Capabilities.CachingMode;
    private readonly int _prefetchPages = profile.PrefetchPages;

    /// <summary>Pages that the IOTLB answered.</summary>
    public ulong IotlbHits { get; private set; }

    /// <summary>Pages translated in advance.</summary>
    public ulong Prefetches { get; private set; }

    /// <summary>Pages for which tables were walked.</summary>
    public ulong Walks { get; private set; }

    /// <summary>Contexts read from memory.</summary>
    public ulong ContextReads { get; private set; }

    /// <summary>Who is told of walks; may be null.</summary>
    public IRemappingObserver? Observer { get; set; }

    /// <summary>Translates one page's worth of any request but those that are interrupts.</summary>
    /// <param name="root">The root table.</param>
    /// <param name="stream">Whose request.</param>
    /// <param name="address">The address on the bus.</param>
    /// <param name="access">What it wants.</param>
    /// <param name="target">Where it lands.</param>
    /// <returns><c>false</c> where it is refused; the fault was reported.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool TryTranslate(PhysicalAddress root, RequestStream stream, ulong address, in Access access, out PhysicalAddress target)
    {
        target = new(address);
        _tracking?.Begin(stream, address, access);
        ScalableContext context = ContextOf(root, stream);
        FaultReason reason = Resolve(stream, context, access, out PasidInfo info, out Demand demand);
        if (reason == FaultReason.None && access.Type == AddressType.Translated)
        {
            reason = _mode.AdmitTranslated(address, default(NoObserver));
        }
        else if (reason == FaultReason.None)
        {
            Tenant tenant = caches.TenantOf(stream, info);
            Translation translation = Find(tenant, info, address, demand);
            target = new(translation.Target(address));
            reason = ScalableMode.Judge(translation, address, demand, default(NoObserver));
            if (reason == FaultReason.None && access == Access.Wanting(access.Wanted))
                SetRoute(tenant, context, info);
        }

        if (reason == FaultReason.None)
            return info.Type != PasidTranslationType.PassThrough || !regions.Blocks(target.Value);
        Report(stream, reason, address, access, info.FaultProcessingDisable);
        return false;
    }

    /// <summary>Translates one page's worth of a plain request where nothing is wrong, with no word on what is.</summary>
    /// <param name="route">What plain requests of the stream meet.</param>
    /// <param name="address">The address on the bus, outside the interrupt range.</param>
    /// <param name="wanted">The right that it needs, which also says whether it writes.</param>
    /// <param name="target">Where it lands.</param>
    /// <returns><c>false</c> where <see cref="TryTranslate"/> has to be asked.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool TryTranslateQuickly(ScalableRoute route, ulong address, ulong wanted, out PhysicalAddress target)
    {
        target = default;
        Tenant tenant = route.Tenant;
        ref readonly PasidInfo info = ref route.Info;
        if (tenant.Number == 0 || _mode.AdmitAddress(info, address, default(NoObserver)) != FaultReason.None)
            return false;
        ref readonly Demand demand = ref route.DemandOf(wanted);
        Translation translation = _iotlb.Find(tenant, address);
        bool cached = translation != default;
        if (!cached && !_mode.TryWalkQuickly(info, address, demand, out translation))
            return false;
        ulong place = translation.Target(address);
        target = new(place);
        if (!demand.IsGrantedBy(translation) || InterruptRange.Contains(place))
            return false;
        if (cached)
        {
            IotlbHits++;
            BringToFront(route, address, place, translation);
            return true;
        }

        Walks++;
        Observer?.Walked(tenant.Stream.Port.Source, new(address));
        Keep(tenant, info, address, translation);
        return true;
    }

    /// <summary>Answers a translation request of a device.</summary>
    /// <param name="root">The root table.</param>
    /// <param name="stream">Whose request.</param>
    /// <param name="address">The address on the bus.</param>
    /// <param name="access">What it asks for.</param>
    public TranslationCompletion RequestTranslation(PhysicalAddress root, RequestStream stream, ulong address, in Access access)
    {
        // What is wrong above the page tables makes the request unsupported, and is recorded.
        _tracking?.Begin(stream, address, access);
        FaultReason reason = Resolve(stream, ContextOf(root, stream), access, out PasidInfo info, out Demand demand);
        if (reason != FaultReason.None)
        {
            Report(stream, reason, address, access, info.FaultProcessingDisable);
            return TranslationCompletion.Refused(
                IsStructural(reason) ? TranslationStatus.CompleterAbort : TranslationStatus.UnsupportedRequest);
        }

        Translation translation = Find(caches.TenantOf(stream, info), info, address, demand);
        reason = ScalableMode.Judge(translation, address, demand, default(NoObserver));
        if (reason == FaultReason.None)
            return Complete(translation, info, demand, access);

        // What the device can ask the system to repair is a success without rights, and is not recorded.
        if (IsRecoverable(reason))
            return new(TranslationStatus.Success, default, 4096, false, false, false);
        Report(stream, reason, address, access, info.FaultProcessingDisable);
        return TranslationCompletion.Refused(TranslationStatus.CompleterAbort);
    }

    /// <summary>What root and context entry say about a requester, from the cache where it knows.</summary>
    /// <param name="root">The root table.</param>
    /// <param name="stream">The requester.</param>
    public ScalableContext ContextOf(PhysicalAddress root, RequestStream stream)
    {
        if (stream.IsScalableContextCached)
        {
            _tracking?.ContextUsed(stream);
            return stream.ScalableContext;
        }

        ContextReads++;
        ScalableContext context = _mode.ReadContext(root, stream.Port.Source, default(NoObserver));
        if (context.Fault == FaultReason.None || _cachesFaults)
            caches.Contexts.Insert(stream, context);
        if (stream.IsScalableContextCached)
            _tracking?.ContextCached(stream, context);
        return context;
    }

    /// <summary>Forgets what is cached for a page that a device asks for: the answer shall not be what made it ask.</summary>
    /// <param name="stream">Who asks.</param>
    /// <param name="context">Its context, without fault.</param>
    /// <param name="pasid">The PASID, within the directory.</param>
    /// <param name="page">The address of the page.</param>
    public void Forget(RequestStream stream, in ScalableContext context, Pasid pasid, ulong page)
    {
        if (!caches.Pasids.TryFind(stream, pasid, out PasidInfo info))
            info = _mode.ReadPasid(context, pasid, default(NoObserver));
        if (info.Fault == FaultReason.None)
            caches.ForgetPage(info, page);
    }

    /// <summary>How the untranslated requests of a requester are translated that carry no PASID, from memory alone.</summary>
    /// <param name="root">The root table.</param>
    /// <param name="source">The requester.</param>
    public PasidInfo ReadRequests(PhysicalAddress root, SourceId source)
    {
        ScalableContext context = _mode.ReadContext(root, source, default(NoObserver));
        FaultReason fault = AdmitRequest(context, default, default(NoObserver), out Pasid pasid, out PasidInfo info);
        return fault == FaultReason.None ? _mode.ReadPasid(context, pasid, default(NoObserver)) : info;
    }

    /// <summary>Tells the story of one address from memory alone.</summary>
    /// <param name="root">The root table.</param>
    /// <param name="source">The requester.</param>
    /// <param name="address">The address on the bus.</param>
    /// <param name="access">What it wants.</param>
    /// <param name="steps">Where the story is written.</param>
    public WalkTranscript Explain(PhysicalAddress root, SourceId source, ulong address, in Access access, List<WalkStep> steps)
    {
        WalkRecorder recorder = new(steps);
        ulong target = address;
        ulong pageBytes = 0;
        ScalableContext context = _mode.ReadContext(root, source, recorder);
        FaultReason fault = AdmitRequest(context, access, recorder, out Pasid pasid, out PasidInfo info);
        Demand demand = default;
        if (fault == FaultReason.None && access.Type != AddressType.Translated)
        {
            info = _mode.ReadPasid(context, pasid, recorder);
            fault = AdmitAccess(context, info, access, recorder, out demand);
        }

        if (fault == FaultReason.None && access.Type == AddressType.Translated)
        {
            fault = _mode.AdmitTranslated(address, recorder);
        }
        else if (fault == FaultReason.None)
        {
            fault = _mode.AdmitAddress(info, address, recorder);
            Translation translation = fault == FaultReason.None ? _mode.Walk(info, address, demand, recorder) : Translation.None(fault);
            fault = ScalableMode.Judge(translation, address, demand, recorder);
            target = translation.Target(address);
            pageBytes = info.Type == PasidTranslationType.PassThrough ? 0 : 1ul << translation.Shift;
        }

        bool passes = fault == FaultReason.None;
        return new(
            source,
            new(address),
            access.Write,
            access.Attributes,
            steps,
            fault,
            !info.FaultProcessingDisable,
            new(passes ? target : 0),
            passes ? pageBytes : 0);
    }

    private PasidInfo PasidOf(RequestStream stream, in ScalableContext context, Pasid pasid)
    {
        if (caches.Pasids.TryFind(stream, pasid, out PasidInfo info))
        {
            _tracking?.PasidUsed(stream, pasid);
            return info;
        }

        info = _mode.ReadPasid(context, pasid, default(NoObserver));
        if (info.Fault == FaultReason.None || _cachesFaults)
            caches.Pasids.Insert(stream, info);
        _tracking?.PasidCached(stream, info);
        return info;
    }

    // Who translates the request, and what it needs. Of a translated request, only whether it is one that is served.
    private FaultReason Resolve(RequestStream stream, in ScalableContext context, in Access access, out PasidInfo info, out Demand demand)
    {
        demand = default;
        FaultReason fault = AdmitRequest(context, access, default(NoObserver), out Pasid pasid, out info);
        if (fault != FaultReason.None || access.Type == AddressType.Translated)
            return fault;
        info = PasidOf(stream, context, pasid);
        return AdmitAccess(context, info, access, default(NoObserver), out demand);
    }

    private static FaultReason AdmitRequest<TObserver>(
        in ScalableContext context, in Access access, TObserver observer, out Pasid pasid, out PasidInfo info)
        where TObserver : struct, IWalkObserver
    {
        pasid = default;
        FaultReason fault = context.Fault != FaultReason.None
            ? context.Fault
            : ScalableMode.AdmitRequest(context, access.Attributes, observer, out pasid);
        info = PasidInfo.None(fault, pasid, context.FaultProcessingDisable);
        return fault;
    }

    private static FaultReason AdmitAccess<TObserver>(
        in ScalableContext context, in PasidInfo info, in Access access, TObserver observer, out Demand demand)
        where TObserver : struct, IWalkObserver
    {
        demand = default;
        return info.Fault != FaultReason.None ? info.Fault : ScalableMode.AdmitAccess(context, info, access, observer, out demand);
    }

    // What the IOTLB knows of an address, or else the tables.
    private Translation Find(Tenant tenant, in PasidInfo info, ulong address, in Demand demand)
    {
        FaultReason fault = _mode.AdmitAddress(info, address, default(NoObserver));
        if (fault != FaultReason.None)
            return Translation.None(fault);
        Translation translation = _iotlb.Find(tenant, address);
        if (IsFinal(translation, demand))
        {
            IotlbHits++;
            _tracking?.TranslationUsed(tenant, address, translation);
            return translation;
        }

        Walks++;
        Observer?.Walked(tenant.Stream.Port.Source, new(address));
        _tracking?.Walking(tenant.Stream, info, address, demand);
        translation = _mode.Walk(info, address, demand, default(NoObserver));
        Keep(tenant, info, address, translation);
        _tracking?.TranslationCached(tenant, info, address, translation, demand);
        return translation;
    }

    // One that refuses may be older than the tables; one that lacks nothing but a dirty bit is no refusal.
    private bool IsFinal(Translation translation, in Demand demand) =>
        demand.IsGrantedBy(translation)
        || (!_rewalks && translation != default && !(demand.Writes(translation) && translation.Grants(Translation.Clean)));

    private void Keep(Tenant tenant, in PasidInfo info, ulong address, Translation translation)
    {
        // Of the first stage nothing is kept that is not there.
        bool keepsFault = _cachesFaults && info.Type == PasidTranslationType.SecondStage && IsOfSecondStageTables(translation.Reason);
        bool found = !translation.Failed && translation.Grants(Translation.Read | Translation.Write);

        // The pages ahead come first, so that they cannot push out the one that was asked for.
        if (found && translation.Level == 1 && info.Type == PasidTranslationType.SecondStage && !info.Has(PasidFlags.SecondStageAccessedDirty))
            Prefetch(tenant, info, address);
        if (found || keepsFault)
            _iotlb.Insert(tenant, address, translation);
    }

    // Pages of the same table that follow the one asked for, where nobody sees from a bit that they were looked at.
    private void Prefetch(Tenant tenant, in PasidInfo info, ulong address)
    {
        Demand any = default(Demand) with { Wanted = Translation.Read | Translation.Write };
        for (int ahead = 1; ahead <= _prefetchPages; ahead++)
        {
            ulong next = address + (4096ul * (ulong)ahead);
            if (next >> 21 != address >> 21)
                return;
            _tracking?.Walking(tenant.Stream, info, next, any);
            Translation translation = _mode.Walk(info, next, any, default(NoObserver));
            if (translation.Failed)
                continue;
            Prefetches++;
            _iotlb.Insert(tenant, next, translation);
            _tracking?.TranslationCached(tenant, info, next, translation, any);
        }
    }

    // Plain requests need not find their way again while the caches hold what this one found in them.
    private void SetRoute(Tenant tenant, in ScalableContext context, in PasidInfo info)
    {
        RequestStream stream = tenant.Stream;
        bool lasts = stream.IsScalableContextCached && !caches.Pasids.IsAbsent && !regions.IsEnabled;
        if (lasts && _tracking is null)
            stream.SetRoute(tenant, info, context.RequesterPrivileged);
    }

    // What is asked for again need not come here again while all caches hold it.
    private static void BringToFront(ScalableRoute route, ulong address, ulong place, Translation translation)
    {
        Tenant tenant = route.Tenant;
        RequestStream stream = tenant.Stream;
        if (stream.Tenant != tenant)
            stream.Bind(tenant, ulong.MaxValue);
        stream.Front.Fill(address, place, translation.Shift, route.RightsOf(translation));
    }

    private static TranslationCompletion Complete(Translation translation, in PasidInfo info, in Demand demand, in Access access) => new(
        TranslationStatus.Success,
        new(translation.Raw & Translation.FrameMask),
        1ul << translation.Shift,
        translation.Grants(Translation.Read),
        demand.Writes(translation),
        false)
    {
        Execute = access.Attributes.Pasid is not null && access.Attributes.Execute && demand.MayExecute(translation),
        Privileged = access.Attributes.Pasid is not null && access.Attributes.Privileged,
        Global = translation.Grants(Translation.Global),

        // What the processors' own tables map is always coherent; in this mode SNP of a second-stage entry has no say.
        NonSnooped = info.Type == PasidTranslationType.FirstStage || info.Has(PasidFlags.PagesSnoop),
    };

    private void Report(RequestStream stream, FaultReason reason, ulong address, in Access access, bool suppressed) =>
        faults.Report(new(stream.Port.Source, reason, new(address), access.Write, access.Attributes), suppressed);

    // What tables say, as against what the request is.
    private static bool IsOfSecondStageTables(FaultReason reason) => reason is
        FaultReason.ScalableSecondStageTopAccess or FaultReason.ScalableSecondStageAccess
        or FaultReason.ScalableSecondStageNotPresent or FaultReason.ScalableSecondStageReserved;

    // Broken structures, as against a request that the structures do not serve.
    private static bool IsStructural(FaultReason reason) => reason is
        FaultReason.ScalableRootAccess or FaultReason.ScalableRootReserved
        or FaultReason.ScalableContextAccess or FaultReason.ScalableContextReserved or FaultReason.ScalableContextInvalid
        or FaultReason.RequesterPasidBeyondDirectory
        or FaultReason.PasidDirectoryAccess or FaultReason.PasidDirectoryReserved
        or FaultReason.PasidEntryAccess or FaultReason.PasidEntryReserved or FaultReason.PasidEntryInvalid;

    // What is not there or not permitted, as against tables that are broken.
    private static bool IsRecoverable(FaultReason reason) => reason is
        FaultReason.FirstStageNotPresent or FaultReason.ScalableSecondStageNotPresent
        or FaultReason.NestedTableBeyondWidth or FaultReason.NestedTopTableNotReadable
        or FaultReason.NestedTableNotReadable or FaultReason.NestedTableNotWritable
        or FaultReason.AddressNotCanonical or FaultReason.AddressBeyondHost or FaultReason.ScalableAddressBeyondWidth
        or FaultReason.UserNotPermitted or FaultReason.ExecuteNotPermitted
        or FaultReason.ScalableWriteNotPermitted or FaultReason.ScalableReadNotPermitted;
}
