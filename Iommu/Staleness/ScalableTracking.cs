using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Tells the tracker what the caches take in and give out in scalable mode, and how tables are asked again.</summary>
internal sealed class ScalableTracking(StaleTracker tracker, ScalableMode mode, TranslationCaches caches, HardwareProfile profile)
{
    /// <summary>A request is about to be answered.</summary>
    public void Begin(RequestStream stream, ulong address, in Access access) => tracker.Begin(stream.Port.Source, address, access);

    /// <summary>The context cache took in what root and context entry say.</summary>
    public void ContextCached(RequestStream stream, ScalableContext context) => tracker.Remember(stream.Port.Source.Value, 0, new(
        CacheKind.Context,
        domain: null,
        pasid: null,
        isHeld: () => stream.IsScalableContextCached && stream.ScalableContext == context,
        isStillSaid: steps => mode.ReadContext(tracker.Root.Table, stream.Port.Source, new WalkRecorder(steps)) == context));

    /// <summary>The context cache answers.</summary>
    public void ContextUsed(RequestStream stream) => tracker.Use(CacheKind.Context, stream.Port.Source.Value, 0);

    /// <summary>Directory and table were read; the PASID cache may have taken in what they say.</summary>
    public void PasidCached(RequestStream stream, PasidInfo info)
    {
        if (!IsHeld())
            return;
        tracker.Remember(stream.Port.Source.Value, info.Pasid.Value, new(
            CacheKind.Pasid, info.Domain, info.Pasid, IsHeld, steps => Resolve(stream, info.Pasid, steps) == info));

        bool IsHeld() => caches.Pasids.TryFind(stream, info.Pasid, out PasidInfo held) && held == info;
    }

    /// <summary>The PASID cache answers.</summary>
    public void PasidUsed(RequestStream stream, Pasid pasid) => tracker.Use(CacheKind.Pasid, stream.Port.Source.Value, pasid.Value);

    /// <summary>Tables are about to be walked.</summary>
    public void Walking(RequestStream stream, PasidInfo info, ulong address, Demand demand) =>
        tracker.Rewalk = info.Type == PasidTranslationType.Nested ? null : steps => _ = Walk(stream, info.Pasid, address, demand, steps);

    /// <summary>Tables were walked; the IOTLB may have taken in what was found.</summary>
    public void TranslationCached(Tenant tenant, PasidInfo info, ulong address, Translation translation, Demand demand)
    {
        if (!caches.Iotlb.Holds(tenant, address, translation))
            return;
        ulong page = address >> translation.Shift << translation.Shift;
        ulong tag = tenant.Number;
        tracker.Remember(tag, StaleTracker.KeyOf(address, translation), new(
            CacheKind.Iotlb,
            info.Domain,
            info.Pasid,
            isHeld: () => tenant.Number == tag && caches.Iotlb.Holds(tenant, page, translation),
            isStillSaid: steps => StaleTracker.IsSame(translation, Walk(tenant.Stream, info.Pasid, page, demand, steps), page, profile)));
    }

    /// <summary>The IOTLB answers.</summary>
    public void TranslationUsed(Tenant tenant, ulong address, Translation translation) =>
        tracker.Use(CacheKind.Iotlb, tenant.Number, StaleTracker.KeyOf(address, translation));

    private PasidInfo Resolve(RequestStream stream, Pasid pasid, List<WalkStep> steps)
    {
        WalkRecorder recorder = new(steps);
        ScalableContext context = mode.ReadContext(tracker.Root.Table, stream.Port.Source, recorder);
        return context.Fault != FaultReason.None || pasid.Value >> context.PasidBits != 0
            ? PasidInfo.None(context.Fault, pasid, context.FaultProcessingDisable)
            : mode.ReadPasid(context, pasid, recorder);
    }

    private Translation Walk(RequestStream stream, Pasid pasid, ulong address, in Demand demand, List<WalkStep> steps)
    {
        PasidInfo info = Resolve(stream, pasid, steps);
        if (info.Fault != FaultReason.None || info.FirstLevels + info.SecondLevels == 0)
            return info.Type == PasidTranslationType.PassThrough ? mode.Walk(info, address, demand, new WalkRecorder(steps)) : Translation.None(info.Fault);
        return mode.AdmitAddress(info, address, default(NoObserver)) is var fault and not FaultReason.None
            ? Translation.None(fault)
            : mode.Walk(info, address, demand, new WalkRecorder(steps));
    }
}
