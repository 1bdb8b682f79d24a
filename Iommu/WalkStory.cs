using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Tells what tables say of requests, from memory alone, past all caches.</summary>
/// <param name="legacy">The way of requests in legacy mode.</param>
/// <param name="scalable">The way of requests in scalable mode.</param>
/// <param name="mode">The root table and its mode; null while translation is off.</param>
internal readonly struct WalkStory(LegacyMode legacy, ScalableTranslator scalable, TranslationMode? mode)
{
    /// <summary>Where the tables lead the untranslated requests of a requester that carry no PASID.</summary>
    public RequesterRoute RouteOf(SourceId source) => mode switch
    {
        null => new(RouteKind.Untranslated),
        { Mode: TranslationTableMode.Legacy } known => RequesterRoute.Of(legacy.ReadContext(known.Table, source, default(NoObserver))),
        { IsScalable: true } known => RequesterRoute.Of(scalable.ReadRequests(known.Table, source)),
        _ => new(RouteKind.Blocked),
    };

    /// <summary>Tells the story of one address.</summary>
    /// <param name="source">The requester.</param>
    /// <param name="address">The address on the bus.</param>
    /// <param name="access">What it wants.</param>
    public WalkTranscript Tell(SourceId source, ulong address, in Access access)
    {
        List<WalkStep> steps = [];
        WalkRecorder recorder = new(steps);
        recorder.Entry(WalkStructure.Request, 0, default, default);
        WalkTranscript story = new(source, new(address), access.Write, access.Attributes, steps, FaultReason.None, false, default, 0);
        if (mode is not { } known)
            return story with { Target = new(address) };
        FaultReason fault = known.Admit(access.Attributes, recorder);
        if (fault != FaultReason.None)
            return story with { Fault = fault, Reported = true };
        if (known.Aborts)
            return story with { Aborted = true };
        return known.IsScalable
            ? scalable.Explain(known.Table, source, address, access, steps)
            : TellLegacy(known.Table, story, access, recorder);
    }

    private WalkTranscript TellLegacy(PhysicalAddress root, WalkTranscript story, in Access access, WalkRecorder recorder)
    {
        ulong address = story.Address.Value;
        ContextInfo context = legacy.ReadContext(root, story.Source, recorder);
        story = story with { Reported = !context.FaultProcessingDisable };
        FaultReason fault = context.Fault;
        if (fault == FaultReason.None)
            fault = LegacyMode.AdmitType(context, access.Type, recorder);
        if (fault == FaultReason.None)
            fault = legacy.AdmitAddress(context, access.Type, address, recorder);
        if (fault != FaultReason.None)
            return story with { Fault = fault };
        if (access.Type == AddressType.Translated)
            return story with { Target = new(address) };
        Translation translation = legacy.Walk(context, address, access.Wanted, recorder);
        fault = LegacyMode.Judge(translation, address, access, recorder);
        return fault != FaultReason.None
            ? story with { Fault = fault }
            : story with { Target = new(translation.Target(address)), PageBytes = context.Levels == 0 ? 0 : 1ul << translation.Shift };
    }
}
