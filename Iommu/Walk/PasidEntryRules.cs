using Dma.Iommu.Spec;

namespace Dma.Iommu;

/// <summary>Whether a PASID entry means anything to a unit.</summary>
internal sealed class PasidEntryRules(HardwareProfile profile, ScalableReservedBits reserved)
{
    private readonly ExtendedCapabilityRegister _capabilities = profile.ExtendedCapabilities;

    /// <summary>Checks a present entry: reserved bits, of table pointers only where they are used; then what the unit does not have.</summary>
    public FaultReason Check<TObserver>(in PasidTableEntry entry, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        bool nested = entry.TranslationType == PasidTranslationType.Nested;
        bool first = entry.TranslationType == PasidTranslationType.FirstStage;
        bool second = nested || entry.TranslationType == PasidTranslationType.SecondStage;

        // SPT.3: where translation is nested, the first-stage pointer is an address for the second stage, as wide as that.
        bool clean = !entry.Raw.Any(reserved.PasidEntry)
            && !(second && entry.Raw.Any(reserved.PasidSecondStageTable))
            && !(first && entry.Raw.Any(reserved.PasidFirstStageTable));
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.ReservedBits, reserved.PasidEntry.Word0 | (second ? reserved.PasidSecondStageTable.Word0 : 0), clean);
        if (!clean)
            return FaultReason.PasidEntryReserved;

        // SPT.4: the stages, the width of the second, the levels of the first.
        bool typeExists = entry.TranslationType switch
        {
            PasidTranslationType.FirstStage => _capabilities.FirstStage,
            PasidTranslationType.SecondStage => _capabilities.SecondStage,
            PasidTranslationType.Nested => _capabilities.Nested,
            PasidTranslationType.PassThrough => _capabilities.PassThrough,
            _ => false,
        };
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.TranslationType, 0, typeExists);
        if (!typeExists)
            return FaultReason.PasidEntryInvalid;
        bool width = !second || profile.Supports(entry.AddressWidth);
        if (TObserver.Observes && second)
            observer.Check(WalkCheckKind.AddressWidth, (ulong)profile.Capabilities.SupportedWidths, width);
        bool levels = !(first || nested)
            || entry.PagingMode == FirstStagePagingMode.FourLevel
            || (entry.PagingMode == FirstStagePagingMode.FiveLevel && profile.Capabilities.FirstStage5Level);
        if (TObserver.Observes && width && (first || nested))
            observer.Check(WalkCheckKind.PagingMode, 0, levels);
        return width && levels ? FaultReason.None : FaultReason.PasidEntryInvalid;
    }
}
