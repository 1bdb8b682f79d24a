using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>The known differences between our unit and that of QEMU 7.2, and why we differ.</summary>
internal static class DifferenceRules
{
    private const ulong EventPending = 1ul << 30;
    private const ulong QueueError = 0x10;
    private const ulong WideDescriptors = 0x800;
    private const ulong Timeout = 0x40;
    private const int QueueAddress = RegisterOffsets.InvalidationQueueAddress;
    private static readonly ulong _sourceAndMask = Bits64.Mask(33, 16);
    private static readonly ulong _done = Bits64.Mask(60, 59);

    /// <summary>FR in the upper half of a fault record.</summary>
    public static ulong ReasonBits { get; } = Bits64.Mask(39, 32);

    /// <summary>PV and PP in the upper half of a fault record.</summary>
    public static ulong PasidBits { get; } = Bits64.Mask(59, 40) | (1ul << 31);

    /// <summary>Those of registers.</summary>
    public static IReadOnlyList<DifferenceRule> Registers { get; } =
    [
        new(
            "event pending although all causes are cleared",
            "the manual withdraws the event when software has serviced all causes, by way of the records too; QEMU looks only when FSTS is written",
            difference => difference is { What: "FECTL", Bits: EventPending, Ours: var ours, Step: ClearFaultsStep { Record: true } } && (ours & EventPending) == 0),
        new(
            "event data of 32 bits",
            "messages have 16 bits of data since 2021; QEMU keeps all 32 of IEDATA",
            difference => difference is { Step: ProbeStep { Name: "IEDATA" } or PeekStep { Offset: 0xA0 or 0xA4 } } && (uint)(difference.Theirs >> Shift(difference, 0xA4)) > 0xFFFF
                && ((difference.Bits >> Shift(difference, 0xA4)) & 0xFFFF) == 0),
        new(
            "mode of the root table",
            "a unit without other modes has no TTM to choose; QEMU keeps the bits",
            difference => difference is { Step: ProbeStep { Name: "RTADDR" or "RTADDR low" } or PeekStep { Offset: 0x20 } } && (difference.Bits & ~0xC00ul) == 0),
        new(
            "address of a queue that is off",
            "an ordinary register keeps what was written; QEMU shows no address before QIE",
            difference => difference is { Step: PeekStep { Offset: QueueAddress or QueueAddress + 4 } }
                && !new GlobalStatus(new(difference.TheirRegisters["GSTS"])).QueuedInvalidationEnabled && (difference.Theirs & ~0xFFFul) == 0),
        new(
            "width of descriptors in the queue address",
            "an ordinary register shows all that was written; QEMU shows address and size",
            difference => difference is { Step: PeekStep { Offset: QueueAddress }, Bits: WideDescriptors } && (difference.Ours & WideDescriptors) != 0),
        new(
            "fields of a context command",
            "what software wrote stays readable; QEMU shows neither SID nor FM afterwards",
            difference => difference.What.StartsWith("CCMD", StringComparison.Ordinal)
                && (difference.Bits & ~_sourceAndMask) == 0 && (difference.Theirs & _sourceAndMask) == 0),
        new(
            "contexts of a domain done as all",
            "we do what is asked; QEMU invalidates all contexts and says so",
            difference => difference.What == "CCMD"
                && new ContextCommand(new(difference.Theirs)).ActualGranularity == ContextGranularity.Global
                && new ContextCommand(new(difference.Ours)).ActualGranularity == ContextGranularity.Domain
                && (difference.Bits & ~(_sourceAndMask | _done)) == 0),
    ];

    /// <summary>Those of the invalidation queue.</summary>
    public static IReadOnlyList<DifferenceRule> Queue { get; } =
    [
        new(
            "queue goes on at once",
            "the manual goes on when IQE is cleared; QEMU waits for the next write of the tail",
            difference => difference is { What: "IQH" or "FSTS" or "ICS" or "FECTL" or "IECTL", Step: ClearFaultsStep { Status: var status } } && (status & QueueError) != 0)
        { EndsProgram = true },
        new(
            "error record of the queue",
            "the manual has IQERCD; QEMU does not",
            difference => difference is { Step: PeekStep { Offset: RegisterOffsets.InvalidationQueueErrorRecord }, Theirs: 0 }),
        new(
            "wait that asks for nothing",
            "to the manual it is a fence; QEMU calls it an error",
            difference => IsQueueError(difference, ours: false) && difference.Step is SubmitStep { Word0: var word } && (word & 0xF) == 5 && (word & 0x30) == 0),
        new(
            "wait whose status cannot be written",
            "a posted write has no completion to fail; QEMU calls it an error",
            difference => IsQueueError(difference, ours: false) && difference.Step is SubmitStep { Word0: var word, Word1: var place }
                && (word & 0x2F) == 0x25 && place >= Ground.MemoryBytes),
        new(
            "device-TLB descriptor where there are none",
            "a capability that is not reported is absent; QEMU takes the descriptor",
            difference => IsQueueError(difference, ours: true) && !difference.Profile.ExtendedCapabilities.DeviceTlb
                && difference.Step is SubmitStep { Word0: var word } && (word & 0xE0F) is 3 or 8),
        new(
            "device-TLB that is not there",
            "no device of that requester answers, so that the invalidation times out; QEMU waits for nobody",
            difference => difference is { What: "FSTS" or "FECTL", Step: SubmitStep { Word0: var word } } && (word & 0xE0F) is 3 or 8
                && (difference.OurRegisters["FSTS"] & Timeout) != 0 && (difference.TheirRegisters["FSTS"] & (Timeout | QueueError)) == 0),
        new(
            "reserved bits in an interrupt entry descriptor",
            "the manual reserves them; QEMU 7.2 does not look",
            difference => IsQueueError(difference, ours: true) && difference.Step is SubmitStep { Word0: var word } && (word & 0xE0F) == 4),
        new(
            "upper half of a wide descriptor",
            "the manual reserves it in all types; QEMU 7.2 does not look",
            difference => IsQueueError(difference, ours: true) && difference.Step is SubmitStep { Word2: var word2, Word3: var word3 } && (word2 | word3) != 0),
        new(
            "descriptor of scalable mode in legacy mode",
            "a narrow queue has no types 6 and 7; QEMU 7.2 takes them and does nothing",
            difference => IsQueueError(difference, ours: true) && difference.Step is SubmitStep { Word0: var word } && (word & 0xF) is 6 or 7),
    ];

    /// <summary>Those of translation in any mode.</summary>
    public static IReadOnlyList<DifferenceRule> Translation { get; } =
    [
        new(
            "entry of ones",
            "an entry with reserved bits set; QEMU takes its value for a failed read",
            difference => IsRecord(difference) && difference.OurReason is FaultReason.SecondStageReserved or FaultReason.ScalableSecondStageReserved
                && difference.TheirReason is FaultReason.SecondStageAccess or FaultReason.ContextInvalid
                && difference.Answers.Any(access => difference.Tables.Last(access) is { Entry.Raw.Value: ulong.MaxValue })),
        new(
            "reserved bit in a context entry with FPD",
            "the manual qualifies the fault by FPD; QEMU records it",
            difference => IsTheirsAlone(difference, FaultReason.ContextReserved)
                && difference.Answers.Any(access => access.Answer is { Fault: FaultReason.ContextReserved or FaultReason.ScalableContextReserved, Suppressed: true })),
        new(
            "transient mapping",
            "bit 62 of a page is reserved since the hint is gone; QEMU 7.2 still knows it where there are device TLBs",
            difference => IsSeenByDevice(difference) && difference.Profile.ExtendedCapabilities.DeviceTlb
                && difference.Answers.Any(access => access.Answer.Fault is FaultReason.SecondStageReserved or FaultReason.ScalableSecondStageReserved
                    && difference.Tables.Last(access) is { Entry.TransientMapping: true })),
        new(
            "page that has interrupts in it",
            "the address of the access decides; to QEMU the whole page of the leaf does",
            difference => (IsTheirsAlone(difference, FaultReason.OutputInInterruptRange) || IsTheirsAlone(difference, FaultReason.ScalableOutputInInterruptRange))
                && difference.Answers.Any(access => access.Answer.Fault == FaultReason.None && HasInterrupts(difference.Tables.Walk(access)))),
    ];

    /// <summary>Those of translation in legacy mode.</summary>
    public static IReadOnlyList<DifferenceRule> Legacy { get; } =
    [
        new(
            "pass-through of a width that is not the largest",
            "the manual wants the largest; QEMU takes any that it has",
            difference => IsSeenByDevice(difference) && difference.Answers.Any(access => access.Answer.Fault == FaultReason.ContextInvalid
                && difference.Tables.Context(access) is { TranslationType: TranslationType.PassThrough, AddressWidth: var width } && difference.Profile.Supports(width))),
        new(
            "pass-through beyond the host",
            "what is not translated must lie within the width of the host; QEMU does not look",
            difference => IsSeenByDevice(difference) && difference.Answers.Any(access => access.Answer.Fault == FaultReason.AddressBeyondWidth
                && access.Address >> difference.Profile.HostAddressWidth != 0
                && difference.Tables.Context(access) is { TranslationType: TranslationType.PassThrough })),
        new(
            "table of pass-through beyond the host",
            "pass-through ignores the table pointer with all its bits; QEMU checks it",
            difference => IsTheirsAlone(difference, FaultReason.ContextReserved)
                && difference.Answers.Any(access => access.Answer.Fault == FaultReason.None
                    && difference.Tables.Context(access) is { TranslationType: TranslationType.PassThrough, SecondStageTable.Value: var table }
                    && table >> difference.Profile.HostAddressWidth != 0)),
    ];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<DifferenceRule> All => [.. Registers, .. Queue, .. Translation, .. Legacy, .. ScalableRules.All];

    /// <summary>All that can meet in a mode.</summary>
    public static IReadOnlyList<DifferenceRule> In(TranslationTableMode mode) =>
        [.. Registers, .. Queue, .. Translation, .. mode == TranslationTableMode.Legacy ? Legacy : ScalableRules.All];

    /// <summary>Whether both recorded a fault, and the records differ at most in the reason and the PASID.</summary>
    public static bool IsRecord(Difference difference) =>
        difference.What == "FRCD_HI" && (difference.Ours & difference.Theirs) >> 63 == 1 && (difference.Bits & ~(ReasonBits | PasidBits)) == 0;

    /// <summary>Whether it is what follows from a fault on one side alone.</summary>
    public static bool IsSeenByDevice(Difference difference) =>
        difference is { Step: DmaStep, What: "data" or "memory" or "FSTS" or "FECTL" or "FRCD_LO" or "FRCD_HI" };

    /// <summary>Whether it is what follows from a fault on their side alone, which has the record there, or found it in use.</summary>
    public static bool IsTheirsAlone(Difference difference, FaultReason reason) =>
        IsSeenByDevice(difference) && (difference.TheirReason == reason || (difference.TheirRegisters["FSTS"] & ~difference.OurRegisters["FSTS"] & 1) != 0);

    // The queue stopped on one side alone.
    private static bool IsQueueError(Difference difference, bool ours) =>
        difference.What is "FSTS" or "FECTL" or "IQH" or "ICS" or "IECTL"
            && ((difference.OurRegisters["FSTS"] & QueueError) != 0) == ours
            && ((difference.TheirRegisters["FSTS"] & QueueError) != 0) != ours;

    private static bool HasInterrupts(WalkTranscript walk)
    {
        if (walk.PageBytes <= 4096)
            return false;
        ulong start = walk.Target.Value & ~(walk.PageBytes - 1);
        return start < 0xFEF0_0000 && start + walk.PageBytes > 0xFEE0_0000;
    }

    private static int Shift(Difference difference, int register) =>
        difference.Step is PeekStep peek ? (register - peek.Offset) * 8 : 0;
}
