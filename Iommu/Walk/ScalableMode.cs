using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What a request meets in scalable mode, step by step, each refusal with its own fault reason.</summary>
/// <remarks>
/// <code>
///   request --> root half --> context --> PASID directory --> PASID entry --> stages --> place
///              `-- Resolve: what a context cache keeps --'`-- a PASID cache --'`- Walk: an IOTLB -'
/// </code>
/// Each part takes and gives plain values, so that a cache can stand between any two of them.
/// </remarks>
internal sealed class ScalableMode
{
    private readonly TranslationCaches _caches;
    private readonly ScalableContextWalker _contexts;
    private readonly PasidWalker _pasids;
    private readonly FirstStageWalker _firstStage;
    private readonly SecondStageWalker _secondStage;
    private readonly ulong _lastHostAddress;
    private readonly int _maximumWidth;

    // The quick ways know nothing of cached tables.
    private readonly bool _quick;

    public ScalableMode(PhysicalMemory memory, HardwareProfile profile, TranslationCaches caches)
    {
        _caches = caches;
        ScalableReservedBits reserved = new(profile);
        _contexts = new(memory, profile, reserved);
        _pasids = new(memory, profile, reserved);
        _firstStage = new(memory, profile);
        _secondStage = new(memory, profile);
        _lastHostAddress = Bits64.Mask(profile.HostAddressWidth - 1, 0);
        _maximumWidth = profile.Capabilities.MaximumWidthCode + 1;
        _quick = caches.Paging.IsAbsent;
    }

    /// <inheritdoc cref="ScalableContextWalker.Walk"/>
    public ScalableContext ReadContext<TObserver>(PhysicalAddress table, SourceId source, TObserver observer)
        where TObserver : struct, IWalkObserver => _contexts.Walk(table, source, observer);

    /// <summary>Whether a context serves requests of a kind, and which PASID counts for one.</summary>
    /// <param name="context">The context, without fault.</param>
    /// <param name="attributes">What the request carries.</param>
    /// <param name="observer">Who watches.</param>
    /// <param name="pasid">The PASID of the request, or the one in place of it.</param>
    public static FaultReason AdmitRequest<TObserver>(in ScalableContext context, DmaAttributes attributes, TObserver observer, out Pasid pasid)
        where TObserver : struct, IWalkObserver
    {
        pasid = attributes.Pasid ?? context.RequesterPasid;

        // SCT.5: translation requests and translated requests need DTE.
        bool served = attributes.AddressType == AddressType.Untranslated || context.DeviceTlbEnabled;
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.RequestType, (ulong)attributes.AddressType, served);
        if (!served)
            return FaultReason.DeviceTlbDisabled;

        // SCT.6: requests with PASID need PASIDE.
        bool carries = attributes.Pasid is not null;
        if (TObserver.Observes && carries)
            observer.Check(WalkCheckKind.PasidRequest, 1 << 3, context.PasidEnabled);
        if (carries && !context.PasidEnabled)
            return FaultReason.PasidDisabled;

        // SCT.7 and SCT.9: the PASID must lie in the directory.
        bool within = pasid.Value >> context.PasidBits == 0;
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.PasidRange, Bits64.Mask(context.PasidBits - 1, 0), within);
        return within ? FaultReason.None
            : carries ? FaultReason.PasidBeyondDirectory
            : FaultReason.RequesterPasidBeyondDirectory;
    }

    /// <inheritdoc cref="PasidWalker.Walk"/>
    public PasidInfo ReadPasid<TObserver>(in ScalableContext context, Pasid pasid, TObserver observer)
        where TObserver : struct, IWalkObserver => _pasids.Walk(context, pasid, observer);

    /// <summary>Whether a PASID entry serves a request, and what the request needs of its tables.</summary>
    /// <param name="context">The context, without fault.</param>
    /// <param name="info">The PASID entry, without fault.</param>
    /// <param name="access">The request.</param>
    /// <param name="observer">Who watches.</param>
    /// <param name="demand">What it needs.</param>
    public static FaultReason AdmitAccess<TObserver>(
        in ScalableContext context, in PasidInfo info, in Access access, TObserver observer, out Demand demand)
        where TObserver : struct, IWalkObserver
    {
        // A request without PASID has the privilege that the context gives it, and executes nothing.
        bool carries = access.Attributes.Pasid is not null;
        bool privileged = carries ? access.Attributes.Privileged : context.RequesterPrivileged;
        bool executes = carries && access.Attributes.Execute;
        demand = Demand.Of(access, info, privileged, executes);

        // SPT.5 and SPT.6.
        if (TObserver.Observes && executes)
            observer.Check(WalkCheckKind.ExecuteRequest, 0, info.Has(PasidFlags.ExecuteRequests));
        if (executes && !info.Has(PasidFlags.ExecuteRequests))
            return FaultReason.ExecuteRequestsDisabled;
        if (TObserver.Observes && privileged)
            observer.Check(WalkCheckKind.SupervisorRequest, 0, info.Has(PasidFlags.SupervisorRequests));
        return privileged && !info.Has(PasidFlags.SupervisorRequests)
            ? FaultReason.SupervisorRequestsDisabled
            : FaultReason.None;
    }

    /// <summary>Whether a translated request may go where it says.</summary>
    public FaultReason AdmitTranslated<TObserver>(ulong address, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        FaultReason fault = AdmitHostAddress(address, observer);
        return fault == FaultReason.None ? JudgeTarget(address, observer) : fault;
    }

    /// <summary>Finds the page of an address that was admitted, or why there is none.</summary>
    /// <param name="info">The PASID entry, without fault.</param>
    /// <param name="address">The address.</param>
    /// <param name="demand">What the request needs; what it finds may lack a right of the second stage.</param>
    /// <param name="observer">Who watches.</param>
    public Translation Walk<TObserver>(in PasidInfo info, ulong address, in Demand demand, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        if (!TObserver.Observes && TryWalkQuickly(info, address, demand, out Translation found))
            return found;
        switch (info.Type)
        {
            case PasidTranslationType.FirstStage:
                return _firstStage.Walk(info, address, demand, default(HostTables), FirstStageTablesOf(info, observer), observer);
            case PasidTranslationType.Nested:
                NestedTables tables = new(SecondStageOf(info, observer));
                return _firstStage.Walk(info, address, demand, tables, FirstStageTablesOf(info, observer), observer);
            case PasidTranslationType.SecondStage:
                FaultReason denied = demand.JudgeSecondStage(0);
                Translation page = SecondStageOf(info, observer).Walk(address, demand.Wanted, demand.Needed & Translation.Read, demand.Write, denied, WalkStructure.SecondStage, observer);
                return page.Failed ? page : page.With(Translation.FirstStageRights);
            default:
                return Translation.Page(address & Translation.FrameMask, 1, Translation.Read | Translation.Write)
                    .With(Translation.FirstStageRights);
        }
    }

    /// <summary>The same walk where nothing is wrong and nothing is left to be marked, with no word on what is.</summary>
    /// <param name="info">The PASID entry, without fault.</param>
    /// <param name="address">The address, which was admitted.</param>
    /// <param name="demand">What the request needs.</param>
    /// <param name="page">The page.</param>
    /// <returns><c>true</c> where a full walk finds the same; else it has to be asked.</returns>
    public bool TryWalkQuickly(in PasidInfo info, ulong address, in Demand demand, out Translation page)
    {
        page = default;
        return _quick && info.Type switch
        {
            PasidTranslationType.FirstStage => _firstStage.TryWalkQuickly(info, address, demand, default(HostTables), out page),
            PasidTranslationType.Nested => _firstStage.TryWalkQuickly(info, address, demand, new NestedTables(SecondStageOf(info, default(NoObserver))), out page),
            _ => false,
        };
    }

    /// <summary>Whether a translation lets an access pass.</summary>
    public static FaultReason Judge<TObserver>(Translation translation, ulong address, in Demand demand, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        if (translation.Failed)
            return translation.Reason;
        FaultReason fault = demand.JudgeFirstStage(translation.Raw);
        if (fault == FaultReason.None)
            fault = demand.JudgeSecondStage(translation.Raw);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Permission, demand.Wanted, fault == FaultReason.None);
        return fault == FaultReason.None ? JudgeTarget(translation.Target(address), observer) : fault;
    }

    /// <summary>Whether an address is one that the tables can translate.</summary>
    /// <param name="info">The PASID entry, without fault.</param>
    /// <param name="address">The address.</param>
    /// <param name="observer">Who watches.</param>
    public FaultReason AdmitAddress<TObserver>(in PasidInfo info, ulong address, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        if (info.FirstLevels != 0)
        {
            // SGN.1: the bits above the tables repeat the highest one of them.
            int unused = 52 - (9 * info.FirstLevels);
            bool canonical = (ulong)((long)(address << unused) >> unused) == address;
            if (TObserver.Observes)
                observer.Check(WalkCheckKind.CanonicalAddress, ulong.MaxValue << (63 - unused), canonical);
            return canonical ? FaultReason.None : FaultReason.AddressNotCanonical;
        }

        if (info.SecondLevels == 0)
            return AdmitHostAddress(address, observer);

        // SGN.5: beyond the tables or the unit.
        ulong last = SecondStage.LastAddressOf(info, _maximumWidth);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.InputAddress, last, address <= last);
        return address <= last ? FaultReason.None : FaultReason.ScalableAddressBeyondWidth;
    }

    // SGN.4: beyond the host, where nothing is translated.
    private FaultReason AdmitHostAddress<TObserver>(ulong address, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        bool narrow = address <= _lastHostAddress;
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.InputAddress, _lastHostAddress, narrow);
        return narrow ? FaultReason.None : FaultReason.AddressBeyondHost;
    }

    // SGN.8: nothing may be translated into the interrupt range.
    private static FaultReason JudgeTarget<TObserver>(ulong target, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        bool outside = !InterruptRange.Contains(target);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.OutputAddress, 0, outside);
        return outside ? FaultReason.None : FaultReason.ScalableOutputInInterruptRange;
    }

    // A walk that is watched looks at memory alone.
    private SecondStage SecondStageOf<TObserver>(in PasidInfo info, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        CachedTables cached = TObserver.Observes || _caches.Paging.IsAbsent ? default : new(_caches.Paging, _caches.SpaceOf(info.Domain));
        return new(_secondStage, info, _maximumWidth, cached);
    }

    private CachedTables FirstStageTablesOf<TObserver>(in PasidInfo info, TObserver observer)
        where TObserver : struct, IWalkObserver =>
        TObserver.Observes || _caches.Paging.IsAbsent ? default : new(_caches.Paging, _caches.SpaceOf(info));
}
