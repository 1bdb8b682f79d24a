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

    /// <summary>Tables are about to be walked.</summary>
    public void Walking(RequestStream stream, ulong address, ulong wanted) =>
        tracker.Rewalk = steps => _ = Walk(stream, address, wanted, steps);

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
        tracker.Remember(tag, StaleTracker.KeyOf(address, translation), new(
            CacheKind.Iotlb,
            tenant.Space.Domain,
            pasid: null,
            isHeld: () => tenant.Number == tag && iotlb.Holds(tenant, page, translation),
            isStillSaid: steps => StaleTracker.IsSame(translation, Walk(tenant.Stream, page, wanted, steps), page, profile)));
    }

    /// <summary>The IOTLB answers.</summary>
    public void TranslationUsed(Tenant tenant, ulong address, Translation translation) =>
        tracker.Use(CacheKind.Iotlb, tenant.Number, StaleTracker.KeyOf(address, translation));

    private Translation Walk(RequestStream stream, ulong address, ulong wanted, List<WalkStep> steps)
    {
        WalkRecorder recorder = new(steps);
        ContextInfo context = _mode.ReadContext(tracker.Root.Table, stream.Port.Source, recorder);
        return context.Fault != Spec.FaultReason.None ? Translation.None(context.Fault) : _mode.Walk(context, address, wanted, recorder);
    }
}
