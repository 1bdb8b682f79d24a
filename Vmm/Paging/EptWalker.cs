using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Second-level translation as the processor does it.</summary>
/// <remarks>
/// <code>
///  47       39 38       30 29       21 20       12 11        0
/// | level 4   | level 3   | level 2   | level 1   | in page   |
///               1 GiB page  2 MiB page  4 KiB page
/// </code>
/// The processor modelled has 52 physical address bits, 1 GiB and 2 MiB pages, and pages for execution only.
/// </remarks>
public static class EptWalker
{
    private const int TopLevel = 4;
    private const int AddressBits = 48;

    /// <summary>Walks for one access; it changes nothing.</summary>
    /// <param name="memory">Host memory, where the tables are.</param>
    /// <param name="pointer">Where they begin.</param>
    /// <param name="address">What to translate.</param>
    /// <param name="access">What the access needs.</param>
    public static EptWalkResult Walk(PhysicalMemory memory, EptPointer pointer, GuestPhysicalAddress address, EptRights access) =>
        Walk(memory, pointer, address, access, marks: false);

    /// <summary>Walks for an access that is made: where the pointer says so, entries that are used are marked as accessed, and a page that is written as dirty.</summary>
    /// <inheritdoc cref="Walk(PhysicalMemory, EptPointer, GuestPhysicalAddress, EptRights)"/>
    public static EptWalkResult WalkAndMark(PhysicalMemory memory, EptPointer pointer, GuestPhysicalAddress address, EptRights access) =>
        Walk(memory, pointer, address, access, pointer.TracksAccess);

    private static EptWalkResult Walk(PhysicalMemory memory, EptPointer pointer, GuestPhysicalAddress address, EptRights access, bool marks)
    {
        if (address.Value >> AddressBits != 0)
            return EptWalkResult.Violation(0, default, EptRights.None);
        EptRights rights = EptRights.All;
        PhysicalAddress table = pointer.Root;
        for (int level = TopLevel; ; level--)
        {
            int shift = 12 + (9 * (level - 1));

            // Where no memory is, the bus gives all ones, which is no valid reference to a table.
            PhysicalAddress place = new(table.Value | ((address.Value >> shift & 0x1FF) << 3));
            if (!memory.TryRead(place, out ulong raw))
                raw = ulong.MaxValue;
            EptEntry entry = new(raw);

            // Not present: no right at all.
            if (!entry.IsPresent)
                return EptWalkResult.Violation(level, entry, EptRights.None);

            bool isLeaf = level == 1 || (level < TopLevel && entry.MapsPage);
            if (IsMisconfigured(entry, level, isLeaf, shift))
                return EptWalkResult.Misconfiguration(level, entry);
            rights &= entry.Rights;
            if (marks && (!isLeaf || (rights & access) == access))
                entry = Mark(memory, place, entry, isWritten: isLeaf && (access & EptRights.Write) != 0);
            if (isLeaf)
            {
                return (rights & access) == access
                    ? EptWalkResult.Mapped(level, entry, rights, new(entry.Address.Value | (address.Value & ((1ul << shift) - 1))))
                    : EptWalkResult.Violation(level, entry, rights);
            }

            table = entry.Address;
        }
    }

    private static EptEntry Mark(PhysicalMemory memory, PhysicalAddress place, EptEntry entry, bool isWritten)
    {
        EptEntry marked = entry with { Accessed = true, Dirty = entry.Dirty || isWritten };
        if (marked != entry)
            _ = memory.TryWrite(place, marked.Raw.Value);
        return marked;
    }

    // Writable but not readable; a reserved memory type; a large page that is not aligned; a reserved bit.
    private static bool IsMisconfigured(EptEntry entry, int level, bool isLeaf, int shift)
    {
        if ((entry.Rights & EptRights.ReadWrite) == EptRights.Write)
            return true;
        if (isLeaf)
            return (int)entry.MemoryType is 2 or 3 or 7 || (entry.Address.Value & ((1ul << shift) - 1)) != 0;
        return entry.Raw.Any(level == TopLevel ? EptEntry.ReservedAtLevel4 : EptEntry.ReservedInTableReference);
    }
}
