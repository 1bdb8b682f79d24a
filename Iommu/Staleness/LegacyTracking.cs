using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Tells the tracker what the caches take in and give out in legacy mode, and how tables are asked again.</summary>
internal sealed class LegacyTracking(StaleTracker tracker, PhysicalMemory memory, HardwareProfile profile, Iotlb iotlb)
{
    private readonly LegacyMode _mode = new(memory, profile, caches: null);

    /// <summary>A request is about to be answered.</summary>
    public void Begin(RequestStream stream, ulong address, in Access access) => tracker.Begin(stream.Port.Source, address, access);

    /// <summary>The context cache took in what root and context entry say.</summary>
    public void ContextCached(RequestStream stream, ContextInfo context) => tracker.Remember(stream.Port.Source.Value, 0, new(
        CacheKind.Context,
        context.Domain,
        pasid: null,
        isHeld: () => stream.IsContextCached && stream.Context == context,
        isStillSaid: steps => _mode.ReadContext(tracker.Root.Table, stream.Port.Source, new WalkRecorder(steps)) == context));

    /// <summary>The context cache answers.</summary>
    public void ContextUsed(RequestStream stream) => tracker.Use(CacheKind.Context, stream.Port.Source.Value, 0);

    /// <summary>Tables were walked; the IOTLB may have taken in what was found.</summary>
    /// <param name="tenant">The requester in its address space.</param>
    /// <param name="address">An address in the page.</param>
    /// <param name="translation">What was found.</param>
    /// <param name="wanted">The rights for which it was looked for.</param>
    public void TranslationCached(Tenant tenant, ulong address, Translation translation, ulong wanted)
    {
        if (!iotlb.Holds(tenant, address, translation))
            return;
        ulong page = address >> translation.Shift << translation.Shift;
        ulong tag = tenant.Number;
        tracker.Remember(tag, KeyOf(address, translation), new(
            CacheKind.Iotlb,
            tenant.Space.Domain,
            pasid: null,
            isHeld: () => tenant.Number == tag && iotlb.Holds(tenant, page, translation),
            isStillSaid: steps => IsStillSaid(tenant.Stream, page, translation, wanted, steps)));
    }

    /// <summary>The IOTLB answers.</summary>
    public void TranslationUsed(Tenant tenant, ulong address, Translation translation) =>
        tracker.Use(CacheKind.Iotlb, tenant.Number, KeyOf(address, translation));

    private static ulong KeyOf(ulong address, Translation translation) => (address >> translation.Shift << 2) | (uint)translation.Level;

    private bool IsStillSaid(RequestStream stream, ulong page, Translation cached, ulong wanted, List<WalkStep> steps)
    {
        WalkRecorder recorder = new(steps);
        ContextInfo context = _mode.ReadContext(tracker.Root.Table, stream.Port.Source, recorder);
        if (context.Fault != Spec.FaultReason.None)
            return false;
        Translation now = _mode.Walk(context, page, wanted, recorder);
        if (now == cached)
            return true;
        if (now.Failed || cached.Failed || now.Target(page) != cached.Target(page))
            return false;

        // The same page by another size is the same. Rights that were added need no invalidation, but with caching mode.
        ulong lost = cached.Raw & ~now.Raw & (Translation.Read | Translation.Write);
        ulong added = now.Raw & ~cached.Raw & (Translation.Read | Translation.Write);
        return lost == 0 && (added == 0 || !profile.Capabilities.CachingMode);
    }
}
