using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Reads the interrupt remapping table and the posted-interrupt descriptors behind it.</summary>
internal sealed class InterruptTableAudit(PhysicalMemory memory, HardwareProfile profile, AuditLog log, TablePages pages)
{
    private readonly InterruptEntryRules _rules = new(profile);

    /// <summary>The present entries, by index.</summary>
    public IReadOnlyList<AuditedInterrupt> Read(InterruptTableAddress table)
    {
        List<AuditedInterrupt> found = [];
        int entries = 2 << table.SizeCode;
        for (int index = 0; index < entries; index++)
        {
            PhysicalAddress at = new(table.Table.Value + ((ulong)index * 16));
            if (!memory.TryRead(at, out Bits128 raw))
            {
                // What is missing is missing to the end of the page.
                log.AddFault(new(AuditStructure.InterruptTable, 0, at, 0, FaultReason.InterruptEntryAccess, null, new((ulong)index)));
                index |= 255;
                continue;
            }

            pages.Add(at, AuditStructure.InterruptTable, 16);
            InterruptRemappingEntry entry = new(raw);
            if (entry.Present)
                found.Add(ReadEntry(index, at, entry, table.ExtendedInterruptMode));
        }

        return found;
    }

    private AuditedInterrupt ReadEntry(int index, PhysicalAddress at, InterruptRemappingEntry entry, bool extended)
    {
        FaultReason fault = _rules.Check(entry, extended) != InterruptEntryState.Sound ? FaultReason.InterruptEntryInvalid
            : entry.IsPosted ? FaultOfDescriptor(new PostedInterrupt(entry.Raw).Descriptor)
            : FaultReason.None;
        if (fault != FaultReason.None)
            log.AddFault(new(AuditStructure.InterruptTable, 0, at, entry.Raw.Word0, fault, null, new((ulong)index)));
        else if (entry.SourceValidation == SourceValidationType.None)
            log.AddFinding(new(AuditFindingKind.InterruptOfAnyRequester, default, [], Index: index));
        return new(index, at, entry, fault);
    }

    private FaultReason FaultOfDescriptor(PhysicalAddress at)
    {
        if (!memory.TryRead(at, out Bits512 descriptor))
            return FaultReason.PostedDescriptorAccess;
        pages.Add(at, AuditStructure.PostedDescriptor, 64);
        return InterruptEntryRules.IsReserved(descriptor) ? FaultReason.PostedDescriptorReserved : FaultReason.None;
    }
}
