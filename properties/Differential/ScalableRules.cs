using Dma.Iommu.Spec;

namespace Dma.Properties;

/// <summary>The known differences between our unit and that of QEMU 7.2 in scalable mode, and why we differ.</summary>
internal static class ScalableRules
{
    // What QEMU says where the manual says what is on the left.
    private static readonly Dictionary<FaultReason, FaultReason[]> _codes = new()
    {
        [FaultReason.ScalableRootAccess] = [FaultReason.RootAccess],
        [FaultReason.ScalableRootNotPresent] = [FaultReason.RootNotPresent],
        [FaultReason.ScalableContextNotPresent] = [FaultReason.ContextNotPresent],
        [FaultReason.ScalableRootReserved] = [FaultReason.RootReserved],
        [FaultReason.ScalableContextAccess] = [FaultReason.ContextAccess],
        [FaultReason.ScalableContextReserved] = [FaultReason.ContextReserved],
        [FaultReason.ScalableSecondStageTopAccess] = [FaultReason.ContextInvalid],
        [FaultReason.ScalableSecondStageAccess] = [FaultReason.SecondStageAccess],
        [FaultReason.ScalableSecondStageNotPresent] = [FaultReason.WriteNotPermitted, FaultReason.ReadNotPermitted],
        [FaultReason.ScalableSecondStageReserved] = [FaultReason.SecondStageReserved],
        [FaultReason.ScalableAddressBeyondWidth] = [FaultReason.AddressBeyondWidth],
        [FaultReason.ScalableWriteNotPermitted] = [FaultReason.WriteNotPermitted],
        [FaultReason.ScalableReadNotPermitted] = [FaultReason.ReadNotPermitted],
    };

    private static readonly FaultReason[] _pasidTables =
    [
        FaultReason.PasidDirectoryAccess, FaultReason.PasidDirectoryNotPresent,
        FaultReason.PasidEntryAccess, FaultReason.PasidEntryNotPresent, FaultReason.PasidEntryInvalid,
    ];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<DifferenceRule> All { get; } =
    [
        new(
            "codes of legacy mode in scalable mode",
            "the manual has codes of its own for scalable mode; QEMU uses those of legacy mode",
            difference => DifferenceRules.IsRecord(difference) && _codes.GetValueOrDefault(difference.OurReason, []).Contains(difference.TheirReason)),
        new(
            "one code for all of PASID tables",
            "the manual tells what is wrong with a directory or an entry; to QEMU 7.2 all of it is 58h",
            difference => DifferenceRules.IsRecord(difference) && difference.TheirReason == FaultReason.PasidEntryAccess && _pasidTables.Contains(difference.OurReason)),
        new(
            "reserved bits of PASID tables",
            "the manual reserves them; QEMU does not look",
            difference => DifferenceRules.IsSeenByDevice(difference)
                && difference.Answers.Any(access => access.Answer.Fault is FaultReason.PasidDirectoryReserved or FaultReason.PasidEntryReserved)),
        new(
            "translation type that the unit does not have",
            "without ECAP.FSTS and NEST the types are invalid; QEMU 7.2 walks the second stage for them",
            difference => DifferenceRules.IsSeenByDevice(difference) && difference.Answers.Any(access => access.Answer.Fault == FaultReason.PasidEntryInvalid
                && difference.Tables.PasidEntry(access) is { TranslationType: PasidTranslationType.FirstStage or PasidTranslationType.Nested })),
        new(
            "pass-through beyond the host, by PASID table",
            "what is not translated must lie within the width of the host; QEMU does not look",
            difference => DifferenceRules.IsSeenByDevice(difference) && difference.Answers.Any(access => access.Answer.Fault == FaultReason.AddressBeyondHost
                && access.Address >> difference.Profile.HostAddressWidth != 0
                && difference.Tables.PasidEntry(access) is { TranslationType: PasidTranslationType.PassThrough })),
        new(
            "snoop bit without snoop control",
            "without ECAP.SC the bit is reserved; QEMU ignores it wherever there is scalable mode",
            difference => DifferenceRules.IsSeenByDevice(difference) && !difference.Profile.ExtendedCapabilities.SnoopControl
                && difference.Answers.Any(access => access.Answer.Fault == FaultReason.ScalableSecondStageReserved
                    && difference.Tables.Last(access) is { Entry.Snoop: true })),
        new(
            "FPD of PASID tables",
            "the FPD of a directory or table entry counts for what is wrong there; to QEMU only that of the context entry does",
            difference => DifferenceRules.IsTheirsAlone(difference, FaultReason.PasidEntryAccess)
                && difference.Answers.Any(access => access.Answer.Suppressed && _pasidTables.Contains(access.Answer.Fault))),
        new(
            "width of pass-through",
            "a PASID table entry that passes through has no use for a width; QEMU checks it",
            difference => DifferenceRules.IsTheirsAlone(difference, FaultReason.PasidEntryAccess)
                && difference.Answers.Any(access => access.Answer.Fault == FaultReason.None
                    && difference.Tables.PasidEntry(access) is { TranslationType: PasidTranslationType.PassThrough, AddressWidth: var width }
                    && !difference.Profile.Supports(width))),
        new(
            "PASID of a request that has none",
            "a record tells the PASID of the request; QEMU tells the one that the context entry gives to requests without",
            difference => DifferenceRules.IsRecord(difference) && (difference.Bits & DifferenceRules.ReasonBits) == 0),
    ];
}
