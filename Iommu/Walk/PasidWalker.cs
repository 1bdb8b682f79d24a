using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Finds the entry of a PASID: directory by bits 19:6, table by bits 5:0.</summary>
internal sealed class PasidWalker(PhysicalMemory memory, HardwareProfile profile, ScalableReservedBits reserved)
{
    private readonly PasidEntryRules _rules = new(profile, reserved);
    private readonly ExtendedCapabilityRegister _capabilities = profile.ExtendedCapabilities;

    /// <summary>Reads directory and table entry.</summary>
    /// <param name="context">The context of the requester, without fault.</param>
    /// <param name="pasid">The PASID, within the directory.</param>
    /// <param name="observer">Who watches.</param>
    public PasidInfo Walk<TObserver>(in ScalableContext context, Pasid pasid, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        bool disabled = context.FaultProcessingDisable;
        FaultReason fault = ReadDirectory(context.Directory, pasid, observer, ref disabled, out ulong table);
        if (fault != FaultReason.None)
            return PasidInfo.None(fault, pasid, disabled);

        // 4. The PASID entry must be in memory that answers.
        PhysicalAddress at = new(table + (64ul * (pasid.Value & 0x3F)));
        bool readable = memory.TryRead(at, out Bits512 raw);
        if (TObserver.Observes)
        {
            observer.Entry(WalkStructure.PasidEntry, 0, at, raw);
            observer.Check(WalkCheckKind.Readable, 0, readable);
        }

        if (!readable)
            return PasidInfo.None(FaultReason.PasidEntryAccess, pasid, disabled);
        PasidTableEntry entry = new(raw);
        disabled |= entry.FaultProcessingDisable;

        // 5. It must be present.
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Present, 1, entry.Present);
        if (!entry.Present)
            return PasidInfo.None(FaultReason.PasidEntryNotPresent, pasid, disabled);

        // 6. It must mean something.
        fault = _rules.Check(entry, observer);
        return fault == FaultReason.None ? Describe(entry, pasid, disabled) : PasidInfo.None(fault, pasid, disabled);
    }

    private FaultReason ReadDirectory<TObserver>(ulong directory, Pasid pasid, TObserver observer, ref bool disabled, out ulong table)
        where TObserver : struct, IWalkObserver
    {
        // 1. The directory entry must be in memory that answers.
        PhysicalAddress at = new(directory + (8ul * (pasid.Value >> 6)));
        bool readable = memory.TryRead(at, out ulong raw);
        PasidDirectoryEntry entry = new(new(raw));
        table = entry.PasidTable.Value;
        if (TObserver.Observes)
        {
            observer.Entry(WalkStructure.PasidDirectory, 0, at, new(raw, 0, 0, 0, 0, 0, 0, 0));
            observer.Check(WalkCheckKind.Readable, 0, readable);
        }

        if (!readable)
            return FaultReason.PasidDirectoryAccess;
        disabled |= entry.FaultProcessingDisable;

        // 2. It must be present.
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.Present, 1, entry.Present);
        if (!entry.Present)
            return FaultReason.PasidDirectoryNotPresent;

        // 3. No reserved bit may be set.
        bool clean = (raw & reserved.PasidDirectory) == 0;
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.ReservedBits, reserved.PasidDirectory, clean);
        return clean ? FaultReason.None : FaultReason.PasidDirectoryReserved;
    }

    private PasidInfo Describe(in PasidTableEntry entry, Pasid pasid, bool faultProcessingDisable)
    {
        bool first = entry.TranslationType is PasidTranslationType.FirstStage or PasidTranslationType.Nested;
        bool second = entry.TranslationType is PasidTranslationType.SecondStage or PasidTranslationType.Nested;
        return new(
            FaultReason.None,
            faultProcessingDisable,
            pasid,
            entry.DomainId,
            entry.TranslationType,
            FlagsOf(entry),
            first ? entry.FirstStageTable.Value : 0,
            !first ? 0 : entry.PagingMode == FirstStagePagingMode.FiveLevel ? 5 : 4,
            second ? entry.SecondStageTable.Value : 0,
            second ? (int)entry.AddressWidth + 2 : 0);
    }

    private PasidFlags FlagsOf(in PasidTableEntry entry)
    {
        static PasidFlags If(bool condition, PasidFlags flag) => condition ? flag : PasidFlags.None;

        // What the unit has no capability for is as if it were not asked for.
        return If(entry.SupervisorRequestsEnabled && _capabilities.SupervisorRequests, PasidFlags.SupervisorRequests)
            | If(entry.ExecuteRequestsEnabled && _capabilities.ExecuteRequests, PasidFlags.ExecuteRequests)
            | If(entry.WriteProtectEnabled, PasidFlags.WriteProtect)
            | If(entry.NoExecuteEnabled, PasidFlags.NoExecute)
            | If(entry.SupervisorExecutionPrevented, PasidFlags.SupervisorExecutionPrevented)
            | If(entry.ExtendedAccessedEnabled, PasidFlags.ExtendedAccessed)
            | If(entry.SecondStageAccessedDirty, PasidFlags.SecondStageAccessedDirty)
            | If((entry.PageWalkSnoop && _capabilities.ScalableWalkCoherency) || profile.UpdatesWithoutSnooping, PasidFlags.WalksSnoop)
            | If(entry.PageSnoop, PasidFlags.PagesSnoop);
    }
}
