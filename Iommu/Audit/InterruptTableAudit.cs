using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Reads the interrupt remapping table and the posted-interrupt descriptors behind it.</summary>
internal sealed class InterruptTableAudit(PhysicalMemory memory, HardwareProfile profile, AuditLog log, TablePages pages)
{
    private static readonly Bits128 RemappedReserved = Bits128.Mask(14, 12) | Bits128.Mask(31, 24) | Bits128.Mask(127, 84);
    private static readonly Bits128 XApicReserved = Bits128.Mask(63, 48) | Bits128.Mask(39, 32);
    private static readonly Bits128 PostedReserved = Bits128.Mask(7, 2) | Bits128.Mask(13, 12) | Bits128.Mask(37, 24) | Bits128.Mask(95, 84);
    private static readonly Bits512 DescriptorReserved = Bits512.Mask(271, 258) | Bits512.Mask(287, 280) | Bits512.Mask(511, 320);

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
        FaultReason fault = entry.IsPosted ? FaultOfPosted(new(entry.Raw)) : FaultOfRemapped(new(entry.Raw), extended);
        if (entry.SourceValidation > SourceValidationType.BusRange)
            fault = FaultReason.InterruptEntryInvalid;
        if (fault != FaultReason.None)
            log.AddFault(new(AuditStructure.InterruptTable, 0, at, entry.Raw.Word0, fault, null, new((ulong)index)));
        else if (entry.SourceValidation == SourceValidationType.None)
            log.AddFinding(new(AuditFindingKind.InterruptOfAnyRequester, default, [], Index: index));
        return new(index, at, entry, fault);
    }

    private static FaultReason FaultOfRemapped(RemappedInterrupt entry, bool extended)
    {
        bool known = Enum.IsDefined(entry.DeliveryMode)
            && (entry.DeliveryMode != InterruptDeliveryMode.LowestPriority || entry.RedirectionHint);
        return !known || entry.Raw.Any(RemappedReserved) || (!extended && entry.Raw.Any(XApicReserved))
            ? FaultReason.InterruptEntryInvalid
            : FaultReason.None;
    }

    private FaultReason FaultOfPosted(PostedInterrupt entry)
    {
        if (!profile.Capabilities.PostedInterrupts || entry.Raw.Any(PostedReserved))
            return FaultReason.InterruptEntryInvalid;
        if (!memory.TryRead(entry.Descriptor, out Bits512 descriptor))
            return FaultReason.PostedDescriptorAccess;
        pages.Add(entry.Descriptor, AuditStructure.PostedDescriptor, 64);
        return descriptor.Any(DescriptorReserved) ? FaultReason.PostedDescriptorReserved : FaultReason.None;
    }
}
