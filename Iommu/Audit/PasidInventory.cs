using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Reads PASID directories and tables, each once however many functions share it.</summary>
internal sealed class PasidInventory(
    PhysicalMemory memory,
    HardwareProfile profile,
    AuditLog log,
    TablePages pages,
    DomainInventory domains,
    ScalableReservedBits reserved)
{
    private readonly PasidEntryRules _rules = new(profile, reserved);
    private readonly Dictionary<(ulong Directory, int Size), Directory> _directories = [];
    private int _pasids;

    /// <summary>What a directory leads to.</summary>
    /// <param name="Pasids">The present entries.</param>
    /// <param name="PassThrough">The first of those that are not translated.</param>
    public sealed record Directory(IReadOnlyList<AuditedPasid> Pasids, AuditedPasid? PassThrough);

    /// <summary>Reads a directory.</summary>
    /// <param name="directory">Where it is.</param>
    /// <param name="size">PDTS: it has 2^(PDTS + 7) entries.</param>
    public Directory Read(PhysicalAddress directory, int size)
    {
        if (!_directories.TryGetValue((directory.Value, size), out Directory? known))
        {
            List<AuditedPasid> pasids = ReadEntries(directory, size);
            known = new(pasids, pasids.Find(pasid =>
                pasid.Fault == FaultReason.None && pasid.Entry.TranslationType == PasidTranslationType.PassThrough));
            _directories.Add((directory.Value, size), known);
        }

        return known;
    }

    private List<AuditedPasid> ReadEntries(PhysicalAddress directory, int size)
    {
        List<AuditedPasid> found = [];
        for (uint index = 0; index < 1u << (size + 7); index++)
        {
            PhysicalAddress at = directory + (index * 8);
            if (at.PageOffset == 0 && !Begins(at, directory))
                break;
            if (memory.TryRead(at, out ulong raw) && new PasidDirectoryEntry(new(raw)).Present)
                ReadTable(index << 6, at, new(new(raw)), found);
        }

        return found;
    }

    private bool Begins(PhysicalAddress page, PhysicalAddress directory)
    {
        if (!log.TakePage())
            return false;
        if (memory.IsBacked(page, 4096))
        {
            pages.Add(page, AuditStructure.PasidDirectory);
            return true;
        }

        log.AddFault(new(AuditStructure.PasidDirectory, 0, page, directory.Value, FaultReason.PasidDirectoryAccess, null, default));
        return false;
    }

    private void ReadTable(uint first, PhysicalAddress at, PasidDirectoryEntry entry, List<AuditedPasid> found)
    {
        if (entry.Raw.Any(reserved.PasidDirectory))
        {
            log.AddFault(new(AuditStructure.PasidDirectory, 0, at, entry.Raw.Value, FaultReason.PasidDirectoryReserved, null, default));
            return;
        }

        if (!memory.IsBacked(entry.PasidTable, 4096))
        {
            log.AddFault(new(AuditStructure.PasidDirectory, 0, at, entry.Raw.Value, FaultReason.PasidEntryAccess, null, default));
            return;
        }

        if (!log.TakePage())
            return;
        pages.Add(entry.PasidTable, AuditStructure.PasidTable);
        for (uint index = 0; index < 64; index++)
        {
            PhysicalAddress where = entry.PasidTable + (index * 64);
            if (!memory.TryRead(where, out Bits512 raw) || !raw.Bit(0))
                continue;
            if (_pasids++ >= log.Limits.PasidsMax)
            {
                log.Incompletely($"Only {log.Limits.PasidsMax} PASID entries were looked at.");
                return;
            }

            found.Add(ReadEntry(new(first + index), where, new(raw)));
        }
    }

    private AuditedPasid ReadEntry(Pasid pasid, PhysicalAddress where, PasidTableEntry entry)
    {
        FaultReason fault = FaultOf(entry);
        AuditedDomain? domain = null;
        if (fault != FaultReason.None)
            log.AddFault(new(AuditStructure.PasidTable, 0, where, entry.Raw.Word0, fault, null, default));
        else if (entry.TranslationType != PasidTranslationType.PassThrough)
            domain = domains.Find(TablesOf(entry), entry.DomainId, pasid);
        return new(pasid, where, entry, fault, domain);
    }

    private FaultReason FaultOf(PasidTableEntry entry)
    {
        FaultReason fault = _rules.Check(entry, default(NoObserver));
        if (fault != FaultReason.None)
            return fault;
        bool first = entry.TranslationType == PasidTranslationType.FirstStage;
        bool second = entry.TranslationType is PasidTranslationType.SecondStage or PasidTranslationType.Nested;

        // Then the tables.
        if (second && !memory.IsBacked(entry.SecondStageTable, 4096))
            return FaultReason.ScalableSecondStageTopAccess;
        return first && !memory.IsBacked(entry.FirstStageTable, 4096) ? FaultReason.FirstStageTopAccess : FaultReason.None;
    }

    private static AuditedTables TablesOf(PasidTableEntry entry)
    {
        int secondLevels = (int)entry.AddressWidth + 2;
        if (entry.TranslationType == PasidTranslationType.SecondStage)
            return new(PasidTranslationType.SecondStage, entry.SecondStageTable, secondLevels);
        bool nested = entry.TranslationType == PasidTranslationType.Nested;
        return new(
            entry.TranslationType,
            entry.FirstStageTable,
            entry.PagingMode == FirstStagePagingMode.FiveLevel ? 5 : 4,
            nested ? entry.SecondStageTable : default,
            nested ? secondLevels : 0,
            entry.NoExecuteEnabled,
            entry.SupervisorRequestsEnabled,
            entry.WriteProtectEnabled);
    }
}
