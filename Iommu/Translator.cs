using System.Runtime.CompilerServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The way of a request that no front table answers: IOTLB, context cache, tables, rights, faults.</summary>
internal sealed class Translator(PhysicalMemory memory, HardwareProfile profile, TranslationCaches caches, FaultLog faults, ProtectedRegions regions)
{
    private readonly LegacyMode _legacy = new(memory, profile, caches);
    private readonly ScalableTranslator _scalable = new(memory, profile, caches, faults, regions);
    private readonly Iotlb _iotlb = caches.Iotlb;
    private readonly bool _hasIotlb = !caches.Iotlb.IsAbsent;

    // Whether a walk is followed by anything: caches that take it in, or somebody who watches.
    private bool _attends = !caches.Iotlb.IsAbsent;
    private IRemappingObserver? _observer;
    private ulong _walks;
    private ulong _iotlbHits;
    private ulong _prefetches;
    private ulong _contextReads;
    private TranslationMode _mode;

    // Whether what follows is more than that the IOTLB takes it in.
    private bool _attendsMore = profile.PrefetchPages != 0 || caches.Iotlb.IsAbsent;

    // Where staleness is tracked, no stream is ever ready, so that every request comes by the places where it is looked for.
    private readonly LegacyTracking? _tracking = caches.Tracker is { } tracker ? new(tracker, memory, profile, caches.Iotlb) : null;

    private readonly int _prefetchPages = profile.PrefetchPages;
    private readonly bool _rewalks = profile.RewalksBeforeRefusal;
    private readonly bool _cachesFaults = profile.CachesFaults && profile.Capabilities.CachingMode;

    /// <summary>Who looks for invalidations that are missing; null where nobody does.</summary>
    public StaleTracker? Tracker => caches.Tracker;

    /// <summary>Whether requests are translated: TES.</summary>
    public bool IsEnabled { get; set; }

    /// <summary>Whether interrupt requests are remapped: IRES. What is no proper one is a fault then, translated or not.</summary>
    public bool RemapsInterrupts { get; set; }

    /// <summary>The root table, as SRTP took it.</summary>
    public RootTableAddress Root
    {
        get => _mode.Root;
        set => _mode = TranslationMode.Of(value, profile);
    }

    /// <summary>The mode of translation, as SRTP took it.</summary>
    public TranslationMode Mode => _mode;

    /// <summary>The way of requests in scalable mode.</summary>
    public ScalableTranslator Scalable => _scalable;

    /// <summary>Pages that the IOTLB answered here; those that front tables answer are counted there.</summary>
    public ulong IotlbHits => _iotlbHits + _scalable.IotlbHits;

    /// <summary>Pages for which tables were walked.</summary>
    public ulong Walks => _walks + _scalable.Walks;

    /// <summary>Pages translated in advance.</summary>
    public ulong Prefetches => _prefetches + _scalable.Prefetches;

    /// <summary>Contexts read from memory.</summary>
    public ulong ContextReads => _contextReads + _scalable.ContextReads;

    /// <summary>Who is told of walks; may be null.</summary>
    public IRemappingObserver? Observer
    {
        get => _observer;
        set
        {
            _observer = value;
            _attends = _hasIotlb || value is not null;
            _attendsMore = _prefetchPages != 0 || !_hasIotlb || value is not null;
            _scalable.Observer = value;
        }
    }

    /// <summary>Translates one page's worth of an untranslated request.</summary>
    /// <param name="stream">Whose request.</param>
    /// <param name="address">The address on the bus.</param>
    /// <param name="wanted">The right that it needs, which also says whether it writes.</param>
    /// <param name="target">Where it lands.</param>
    /// <returns><c>false</c> where it is refused; the fault was reported.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool TryTranslate(RequestStream stream, ulong address, ulong wanted, out PhysicalAddress target)
    {
        if (address >= stream.AddressEnd || InterruptRange.Contains(address))
            return TryTranslateFromContext(stream, address, wanted, out target);
        return _attends
            ? TryTranslateCached(stream, stream.Tenant!, address, wanted, out target)
            : TryTranslateUncached(stream, address, wanted, out target);
    }

    /// <summary>Translates one page's worth of any request.</summary>
    /// <param name="stream">Whose request.</param>
    /// <param name="address">The address on the bus.</param>
    /// <param name="access">What it wants.</param>
    /// <param name="target">Where it lands.</param>
    /// <returns><c>false</c> where it is refused; the fault was reported.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool TryTranslate(RequestStream stream, ulong address, in Access access, out PhysicalAddress target)
    {
        target = default;

        // 1. The interrupt range is no memory: interrupt requests were taken out before, the rest is refused.
        bool looks = RemapsInterrupts || (IsEnabled && !_mode.Aborts);
        if (looks && access.Type == AddressType.Untranslated && access.Attributes.Pasid is null && InterruptRange.Contains(address))
            return Refuse(stream, FaultReason.InterruptRangeRequest, address, access, suppressed: !profile.ReportsInterruptRangeRequests);
        if (!IsEnabled)
            return TryPassUntranslated(address, access, out target);

        // 2. The mode. In abort mode nothing passes and nothing is recorded.
        FaultReason reason = _mode.Admit(access.Attributes, default(NoObserver));
        if (reason != FaultReason.None)
            return Refuse(stream, reason, address, access, suppressed: false);
        if (_mode.IsScalable)
            return _scalable.TryTranslate(_mode.Table, stream, address, access, out target);
        if (_mode.Aborts)
            return false;

        // 3. Root and context, the kind of request, the width of the address.
        _tracking?.Begin(stream, address, access);
        ContextInfo context = ContextOf(stream);
        reason = context.Fault;
        if (reason == FaultReason.None)
            reason = LegacyMode.AdmitType(context, access.Type, default(NoObserver));
        if (reason == FaultReason.None)
            reason = _legacy.AdmitAddress(context, access.Type, address, default(NoObserver));
        if (reason != FaultReason.None)
            return Refuse(stream, reason, address, access, context.FaultProcessingDisable);

        // 4. A translated request goes where it says, but not among interrupts.
        if (access.Type == AddressType.Translated)
        {
            target = new(address);
            return !InterruptRange.Contains(address)
                || Refuse(stream, FaultReason.OutputInInterruptRange, address, access, context.FaultProcessingDisable);
        }

        // 5. The stream may keep what it learnt as long as the context cache does.
        Tenant tenant = caches.TenantOf(stream, caches.SpaceOf(context.Domain));
        if (stream.IsContextCached && !stream.IsReady && _tracking is null)
            stream.Bind(tenant, _legacy.LastAddress(context));
        Translation translation = _iotlb.Find(tenant, address);
        if (IsFinal(translation, access))
            UseCached(tenant, address, translation);
        else
            translation = Walk(tenant, context, address, access.Wanted);
        return TryUse(stream, context, translation, address, access, out target);
    }

    /// <summary>Answers a translation request of a device.</summary>
    /// <param name="stream">Whose request.</param>
    /// <param name="address">The address on the bus.</param>
    /// <param name="wantsWrite">Whether it asks for the right to write.</param>
    /// <param name="attributes">What else the request carries.</param>
    public TranslationCompletion RequestTranslation(RequestStream stream, ulong address, bool wantsWrite, DmaAttributes attributes)
    {
        Access access = new(wantsWrite, Translation.Read | Translation.Write, attributes);
        if (!IsEnabled)
            return TranslationCompletion.Refused(TranslationStatus.UnsupportedRequest);

        // Interrupt requests are never translated: the device shall use untranslated requests there.
        if (_mode.Aborts)
            return TranslationCompletion.Refused(TranslationStatus.UnsupportedRequest);
        if (attributes.Pasid is null && InterruptRange.Contains(address))
            return new(TranslationStatus.Success, default, 4096, false, true, true);
        FaultReason reason = _mode.Admit(attributes, default(NoObserver));
        if (reason != FaultReason.None)
        {
            Report(stream, reason, address, access, suppressed: false);
            return TranslationCompletion.Refused(TranslationStatus.UnsupportedRequest);
        }

        if (_mode.IsScalable)
            return _scalable.RequestTranslation(_mode.Table, stream, address, access);

        // What is wrong above the page tables makes the request unsupported, and is recorded.
        _tracking?.Begin(stream, address, access);
        ContextInfo context = ContextOf(stream);
        reason = context.Fault != FaultReason.None
            ? context.Fault
            : LegacyMode.AdmitType(context, access.Type, default(NoObserver));
        if (reason != FaultReason.None)
        {
            Report(stream, reason, address, access, context.FaultProcessingDisable);
            return TranslationCompletion.Refused(
                IsStructural(reason) ? TranslationStatus.CompleterAbort : TranslationStatus.UnsupportedRequest);
        }

        // What the device can ask the system to repair is a success without rights, and is not recorded.
        if (_legacy.AdmitAddress(context, access.Type, address, default(NoObserver)) != FaultReason.None)
            return new(TranslationStatus.Success, default, 4096, false, false, false);
        Tenant tenant = caches.TenantOf(stream, caches.SpaceOf(context.Domain));
        Translation translation = _iotlb.Find(tenant, address);
        if (IsFinal(translation, access))
            _tracking?.TranslationUsed(tenant, address, translation);
        else
            translation = Walk(tenant, context, address, access.Wanted);
        reason = LegacyMode.Judge(translation, address, access, default(NoObserver));
        if (reason is FaultReason.ReadNotPermitted or FaultReason.WriteNotPermitted)
            return new(TranslationStatus.Success, default, 4096, false, false, false);
        if (reason != FaultReason.None)
        {
            Report(stream, reason, address, access, context.FaultProcessingDisable);
            return TranslationCompletion.Refused(TranslationStatus.CompleterAbort);
        }

        return new(
            TranslationStatus.Success,
            new(translation.Raw & Translation.FrameMask),
            1ul << translation.Shift,
            translation.Grants(Translation.Read),
            wantsWrite && translation.Grants(Translation.Write),
            false)
        {
            NonSnooped = translation.Grants(Translation.Snooped),
        };
    }

    /// <summary>What the tables say, from memory alone and past all caches.</summary>
    public WalkStory FromMemory => new(_legacy, _scalable, IsEnabled ? _mode : null);

    // Whether a cached translation may be the last word: one that refuses may be older than the tables.
    private bool IsFinal(Translation translation, ulong wanted) =>
        translation.Grants(wanted) || (!_rewalks && translation != default);

    private bool IsFinal(Translation translation, in Access access) =>
        access.IsGrantedBy(translation) || (!_rewalks && translation != default);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryTranslateCached(RequestStream stream, Tenant tenant, ulong address, ulong wanted, out PhysicalAddress target)
    {
        Translation translation = _iotlb.Find(tenant, address);
        bool found = IsFinal(translation, wanted);
        if (found)
        {
            _iotlbHits++;
        }
        else
        {
            _walks++;
            bool replaces = translation != default;
            translation = _legacy.WalkQuickly(stream.Context, address, wanted);
            if (translation == default)
                translation = _legacy.Walk(stream.Context, address, wanted, default(NoObserver));
            if (_attendsMore || replaces || !translation.Grants(Translation.Read | Translation.Write))
                Attend(tenant, stream.Context, address, translation);
            else
                _iotlb.InsertMissing(tenant, address, translation);
        }

        // A page that grants the right and lies neither among interrupts nor in a protected region.
        ulong place = translation.Target(address);
        target = new(place);
        if (!translation.Grants(wanted) || InterruptRange.Contains(place) || regions.IsEnabled)
            return TryUse(stream, translation, address, wanted, out target);

        // Only what is asked for again comes to the front.
        if (found)
            stream.Front.Fill(address, place, translation.Shift, translation.Raw);
        return true;
    }

    // Nothing caches and nobody watches: the tables, and that is all.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryTranslateUncached(RequestStream stream, ulong address, ulong wanted, out PhysicalAddress target)
    {
        _walks++;
        bool found = _legacy.TryTranslateQuickly(stream.Context, address, wanted, out ulong place);
        target = new(place);
        return (found && !InterruptRange.Contains(place)) || TryWalk(stream, address, wanted, out target);
    }

    // These build what the quick ways do without.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryTranslateFromContext(RequestStream stream, ulong address, ulong wanted, out PhysicalAddress target) =>
        (stream.Route is { } route && !InterruptRange.Contains(address) && _scalable.TryTranslateQuickly(route, address, wanted, out target))
        || TryTranslate(stream, address, Access.Wanting(wanted), out target);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryWalk(RequestStream stream, ulong address, ulong wanted, out PhysicalAddress target) =>
        TryUse(stream, _legacy.Walk(stream.Context, address, wanted, default(NoObserver)), address, wanted, out target);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryUse(RequestStream stream, Translation translation, ulong address, ulong wanted, out PhysicalAddress target) =>
        TryUse(stream, stream.Context, translation, address, Access.Wanting(wanted), out target);

    private bool TryPassUntranslated(ulong address, in Access access, out PhysicalAddress target)
    {
        // Translation is off: addresses are memory addresses. Device TLBs have nothing to ask, nor to know.
        target = new(address);
        return access.Type == AddressType.Untranslated && !InterruptRange.Contains(address) && !regions.Blocks(address);
    }

    private ContextInfo ContextOf(RequestStream stream)
    {
        if (stream.IsContextCached)
        {
            _tracking?.ContextUsed(stream);
            return stream.Context;
        }

        _contextReads++;
        ContextInfo context = _legacy.ReadContext(_mode.Table, stream.Port.Source, default(NoObserver));
        if (context.Fault == FaultReason.None || _cachesFaults)
        {
            if (caches.Contexts.Insert(stream, context))
                _tracking?.ContextCached(stream, context);
        }

        return context;
    }

    private Translation Walk(Tenant tenant, in ContextInfo context, ulong address, ulong wanted)
    {
        _walks++;
        _tracking?.Walking(tenant.Stream, address, wanted);
        Translation translation = _legacy.Walk(context, address, wanted, default(NoObserver));
        Attend(tenant, context, address, translation);
        _tracking?.TranslationCached(tenant, address, translation, wanted);
        return translation;
    }

    // What follows a walk: the caches take in what they may, and who watches is told.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Attend(Tenant tenant, in ContextInfo context, ulong address, Translation translation)
    {
        _observer?.Walked(tenant.Stream.Port.Source, new(address));
        if (!_hasIotlb)
            return;

        // The pages ahead come first, so that they cannot push out the one that was asked for.
        if (_prefetchPages != 0 && !translation.Failed && translation.Level == 1)
            Prefetch(tenant, context, address);
        if (translation.Grants(Translation.Read | Translation.Write) || (_cachesFaults && translation.Fault != WalkFault.Denied))
            _iotlb.Insert(tenant, address, translation);
    }

    private void UseCached(Tenant tenant, ulong address, Translation translation)
    {
        _iotlbHits++;
        _tracking?.TranslationUsed(tenant, address, translation);
    }

    // Pages of the same table that follow the one asked for; what is not mapped is not remembered.
    private void Prefetch(Tenant tenant, in ContextInfo context, ulong address)
    {
        for (int ahead = 1; ahead <= _prefetchPages; ahead++)
        {
            ulong next = address + (4096ul * (ulong)ahead);
            if (next >> 21 != address >> 21)
                return;
            _tracking?.Walking(tenant.Stream, next, Translation.Read | Translation.Write);
            Translation translation = _legacy.Walk(context, next, Translation.Read | Translation.Write, default(NoObserver));
            if (!translation.Grants(Translation.Read | Translation.Write))
                continue;
            _prefetches++;
            _iotlb.Insert(tenant, next, translation);
            _tracking?.TranslationCached(tenant, next, translation, Translation.Read | Translation.Write);
        }
    }

    private bool TryUse(RequestStream stream, in ContextInfo context, Translation translation, ulong address, in Access access, out PhysicalAddress target)
    {
        ulong place = translation.Target(address);
        target = new(place);
        if (!access.IsGrantedBy(translation) || InterruptRange.Contains(place))
        {
            FaultReason reason = LegacyMode.Judge(translation, address, access, default(NoObserver));
            return Refuse(stream, reason, address, access, context.FaultProcessingDisable);
        }

        if (context.Levels == 0 && regions.Blocks(place))
            return false;
        return true;
    }

    private bool Refuse(RequestStream stream, FaultReason reason, ulong address, in Access access, bool suppressed)
    {
        Report(stream, reason, address, access, suppressed);
        return false;
    }

    private void Report(RequestStream stream, FaultReason reason, ulong address, in Access access, bool suppressed) =>
        faults.Report(new(stream.Port.Source, reason, new(address), access.Write, access.Attributes), suppressed);

    // Broken structures, as against a request that the structures do not serve.
    private static bool IsStructural(FaultReason reason) => reason is
        FaultReason.RootAccess or FaultReason.ContextAccess or FaultReason.RootReserved
        or FaultReason.ContextReserved or FaultReason.ContextInvalid;
}
