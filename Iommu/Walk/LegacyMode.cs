using System.Runtime.CompilerServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What a request meets in legacy mode, step by step, each refusal with its own fault reason.</summary>
/// <remarks>
/// The order is that of the manual: root, context, kind of request, width of the address, tables, rights, and
/// last the place where the access would land.
/// </remarks>
internal sealed class LegacyMode(PhysicalMemory memory, HardwareProfile profile, TranslationCaches? caches)
{
    private readonly ContextWalker _contexts = new(memory, profile);
    private readonly SecondStageWalker _secondStage = new(memory, profile);
    private readonly ulong _lastHostAddress = Bits64.Mask(profile.HostAddressWidth - 1, 0);

    // The quick ways know nothing of cached tables.
    private readonly bool _quick = caches is null || caches.Paging.IsAbsent;
    private readonly int _maximumWidth = profile.Capabilities.MaximumWidthCode + 1;

    /// <inheritdoc cref="ContextWalker.Walk"/>
    public ContextInfo ReadContext<TObserver>(PhysicalAddress table, SourceId source, TObserver observer)
        where TObserver : struct, IWalkObserver => _contexts.Walk(table, source, observer);

    /// <summary>The highest address that untranslated requests may use.</summary>
    public ulong LastAddress(in ContextInfo context) =>
        context.Levels == 0 ? _lastHostAddress : Bits64.Mask(Math.Min(_maximumWidth, 12 + (9 * context.Levels)) - 1, 0);

    /// <summary>Whether requests of an address type are served at all.</summary>
    public static FaultReason AdmitType<TObserver>(in ContextInfo context, AddressType type, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        // LCT.5: translation requests and translated requests need a translation type that serves them.
        bool served = type == AddressType.Untranslated || context.Type == TranslationType.WithDeviceTlb;
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.RequestType, (ulong)type, served);
        return served ? FaultReason.None : FaultReason.RequestTypeBlocked;
    }

    /// <summary>Whether an address is narrow enough.</summary>
    public FaultReason AdmitAddress<TObserver>(in ContextInfo context, AddressType type, ulong address, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        // LGN.1.1: beyond the tables; LGN.1.2 and LGN.1.3: beyond the host, where nothing is translated.
        ulong last = type == AddressType.Translated ? _lastHostAddress : LastAddress(context);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.InputAddress, last, address <= last);
        return address <= last ? FaultReason.None : FaultReason.AddressBeyondWidth;
    }

    /// <summary>Finds the page of an address that was admitted.</summary>
    public Translation Walk<TObserver>(in ContextInfo context, ulong address, ulong wanted, TObserver observer)
        where TObserver : struct, IWalkObserver =>
        context.Levels == 0
            ? Translation.Page(address & Translation.FrameMask, 1, Translation.Read | Translation.Write)
            : _secondStage.Walk(context.Root, context.Levels, address, wanted, default, WalkStructure.SecondStage, TablesOf(context, observer), observer);

    /// <summary>Finds the page of an address that was admitted, the quick way; nothing where that is not possible.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Translation WalkQuickly(in ContextInfo context, ulong address, ulong wanted) =>
        context.Levels != 0 && _quick && _secondStage.TryWalkQuickly(context.Root, context.Levels, address, wanted, out ulong page, out int shift, out ulong rights)
            ? Translation.OfEntry(page, SecondStageWalker.LevelOf(shift), rights)
            : default;

    /// <summary>Translates an address that was admitted, the quick way; <c>false</c> where that is not possible.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryTranslateQuickly(in ContextInfo context, ulong address, ulong wanted, out ulong target)
    {
        target = 0;
        if (context.Levels == 0 || !_quick || !_secondStage.TryWalkQuickly(context.Root, context.Levels, address, wanted, out ulong page, out int shift, out _))
            return false;
        target = (page & Translation.FrameMask) | (address & ((1ul << shift) - 1));
        return true;
    }

    /// <summary>Whether a translation lets an access pass.</summary>
    public static FaultReason Judge<TObserver>(Translation translation, ulong address, in Access access, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        if (translation.Failed)
            return ReasonOf(translation.Fault, access.Write);

        // LGN.2 and LGN.3: every entry on the way must grant the right.
        bool granted = translation.Grants(access.Wanted);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Permission, access.Wanted, granted);
        if (!granted)
            return ReasonOf(WalkFault.Denied, access.Write);

        // An atomic operation may write here; it has to read, too.
        bool both = access.IsGrantedBy(translation);
        if (TObserver.Observes && access.Attributes.Atomic)
            observer.Check(WalkCheckKind.Permission, Translation.Read, both);
        if (!both)
            return FaultReason.ReadNotPermitted;

        // LGN.4: nothing may be translated into the interrupt range.
        bool outside = !InterruptRange.Contains(translation.Target(address));
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.OutputAddress, 0, outside);
        return outside ? FaultReason.None : FaultReason.OutputInInterruptRange;
    }

    // A walk that is watched looks at memory alone.
    private CachedTables TablesOf<TObserver>(in ContextInfo context, TObserver observer)
        where TObserver : struct, IWalkObserver =>
        TObserver.Observes || _quick ? default : new(caches!.Paging, caches.SpaceOf(context.Domain));

    private static FaultReason ReasonOf(WalkFault fault, bool write) => fault switch
    {
        WalkFault.TopTableAccess => FaultReason.ContextInvalid,
        WalkFault.TableAccess => FaultReason.SecondStageAccess,
        WalkFault.Reserved => FaultReason.SecondStageReserved,
        _ => write ? FaultReason.WriteNotPermitted : FaultReason.ReadNotPermitted,
    };
}
