using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Finds the context entry of a requester in legacy mode: root table by bus, context table by device and function.</summary>
internal sealed class ContextWalker
{
    private readonly PhysicalMemory _memory;
    private readonly HardwareProfile _profile;
    private readonly Bits128 _rootReserved;
    private readonly Bits128 _contextReserved;
    private readonly ulong _beyondHost;
    private readonly AddressWidth _widest;

    public ContextWalker(PhysicalMemory memory, HardwareProfile profile)
    {
        _memory = memory;
        _profile = profile;
        _beyondHost = Bits64.Mask(63, profile.HostAddressWidth);
        _rootReserved = Bits128.Mask(11, 1) | Bits128.Mask(127, 64) | new Bits128(_beyondHost, 0);

        // Domain-ids have 4 + 2 x ND bits; those above are reserved.
        int domainBits = 4 + (2 * profile.Capabilities.DomainsCode);
        _contextReserved = Bits128.Mask(11, 4) | Bits128.Mask(71, 71) | Bits128.Mask(127, 88);
        if (domainBits < 16)
            _contextReserved |= Bits128.Mask(87, 72 + domainBits);
        _widest = profile.Supports(AddressWidth.Bits57) ? AddressWidth.Bits57
            : profile.Supports(AddressWidth.Bits48) ? AddressWidth.Bits48
            : AddressWidth.Bits39;
    }

    /// <summary>Reads root and context entry.</summary>
    /// <param name="table">The root table.</param>
    /// <param name="source">The requester.</param>
    /// <param name="observer">Who watches.</param>
    public ContextInfo Walk<TObserver>(PhysicalAddress table, SourceId source, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        FaultReason fault = ReadRoot(table, source, observer, out RootEntry root);
        if (fault != FaultReason.None)
            return ContextInfo.None(fault);

        // 4. The context entry must be in memory that answers.
        PhysicalAddress at = new(root.ContextTable.Value + (16ul * source.DeviceFunction));
        bool readable = _memory.TryRead(at, out Bits128 raw);
        if (TObserver.Observes)
        {
            observer.Entry(WalkStructure.Context, 0, at, new(raw.Word0, raw.Word1, 0, 0, 0, 0, 0, 0));
            observer.Check(WalkCheckKind.Readable, 0, readable);
        }

        if (!readable)
            return ContextInfo.None(FaultReason.ContextAccess);
        ContextEntry context = new(raw);
        fault = CheckContext(context, observer);

        // FPD counts from here on, also in an entry that is not present.
        return fault != FaultReason.None
            ? ContextInfo.None(fault, context.FaultProcessingDisable)
            : new(
                FaultReason.None,
                context.FaultProcessingDisable,
                context.TranslationType,
                context.DomainId,
                context.SecondStageTable.Value,
                context.TranslationType == TranslationType.PassThrough ? 0 : (int)context.AddressWidth + 2);
    }

    private FaultReason ReadRoot<TObserver>(PhysicalAddress table, SourceId source, TObserver observer, out RootEntry root)
        where TObserver : struct, IWalkObserver
    {
        // 1. The root entry must be in memory that answers.
        PhysicalAddress at = new(table.Value + (16ul * source.Bus));
        bool readable = _memory.TryRead(at, out Bits128 raw);
        root = new(raw);
        if (TObserver.Observes)
        {
            observer.Entry(WalkStructure.Root, 0, at, new(raw.Word0, raw.Word1, 0, 0, 0, 0, 0, 0));
            observer.Check(WalkCheckKind.Readable, 0, readable);
        }

        if (!readable)
            return FaultReason.RootAccess;

        // 2. It must be present.
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Present, 1, root.Present);
        if (!root.Present)
            return FaultReason.RootNotPresent;

        // 3. No reserved bit may be set.
        bool reserved = raw.Any(_rootReserved);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.ReservedBits, _rootReserved.Word0, !reserved);
        return reserved ? FaultReason.RootReserved : FaultReason.None;
    }

    private FaultReason CheckContext<TObserver>(ContextEntry context, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        // 5. It must be present.
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Present, 1, context.Present);
        if (!context.Present)
            return FaultReason.ContextNotPresent;

        // 6. No reserved bit may be set. The table pointer of pass-through is ignored, with all its bits.
        bool passThrough = context.TranslationType == TranslationType.PassThrough;
        bool reserved = context.Raw.Any(_contextReserved) || (!passThrough && (context.Raw.Word0 & _beyondHost) != 0);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.ReservedBits, _contextReserved.Word0 | (passThrough ? 0 : _beyondHost), !reserved);
        if (reserved)
            return FaultReason.ContextReserved;

        // 7. The width must be one that the unit has, and for pass-through the largest.
        bool width = passThrough ? context.AddressWidth == _widest : _profile.Supports(context.AddressWidth);
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.AddressWidth, (ulong)_profile.Capabilities.SupportedWidths, width);
        if (!width)
            return FaultReason.ContextInvalid;

        // 8. The translation type must be one that the unit has.
        bool type = context.TranslationType switch
        {
            TranslationType.UntranslatedOnly => true,
            TranslationType.WithDeviceTlb => _profile.ExtendedCapabilities.DeviceTlb,
            TranslationType.PassThrough => _profile.ExtendedCapabilities.PassThrough,
            _ => false,
        };
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.TranslationType, 0, type);
        return type ? FaultReason.None : FaultReason.ContextInvalid;
    }
}
