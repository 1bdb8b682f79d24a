using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The second-level paging structures of one VM, built in host memory.</summary>
/// <remarks>Nothing is kept beside the tables: what is mapped is what a walk finds. The tables belong to the VMM.</remarks>
public sealed class EptTables
{
    private const int TopLevel = 4;
    private const int Entries = 512;

    private readonly FrameTable _frames;
    private readonly PhysicalMemory _memory;

    private bool _isReleased;

    private EptTables(FrameTable frames, PhysicalAddress root) =>
        (_frames, _memory, Pointer, TableFrames) = (frames, frames.Memory, EptPointer.To(root), 1);

    /// <summary>Where the processor finds them.</summary>
    public EptPointer Pointer { get; }

    /// <summary>How many frames the tables take.</summary>
    public int TableFrames { get; private set; }

    /// <summary>Tables that map nothing; <c>null</c> where no frame is free.</summary>
    public static EptTables? TryCreate(FrameTable frames) =>
        frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page4K, out PhysicalAddress root) ? new(frames, root) : null;

    /// <summary>Walks as the processor does; released tables map nothing.</summary>
    public EptWalkResult Walk(GuestPhysicalAddress address, EptRights access) =>
        _isReleased ? EptWalkResult.Violation(0, default, EptRights.None) : EptWalker.Walk(_memory, Pointer, address, access);

    /// <summary>Maps one page.</summary>
    /// <param name="guest">Its first guest-physical byte, aligned to the size, below 2^48; nothing may be mapped in its range.</param>
    /// <param name="host">Its first host byte, aligned to the size.</param>
    /// <param name="size">Which page.</param>
    /// <param name="rights">What the guest may do; not only writing.</param>
    /// <param name="type">How it is cached.</param>
    /// <returns><c>false</c>, and nothing mapped, where no frame is free for a table.</returns>
    public bool TryMap(GuestPhysicalAddress guest, PhysicalAddress host, FrameSize size, EptRights rights, EptMemoryType type)
    {
        if (!size.IsAligned(guest.Value) || !size.IsAligned(host.Value) || guest.Value >> 48 != 0)
            throw new ArgumentException($"{guest} to {host} is no page of {size.Bytes} bytes.");
        int leaf = LevelOf(size);
        PhysicalAddress table = Pointer.Root;
        for (int level = TopLevel; level > leaf; level--)
        {
            PhysicalAddress place = Place(table, guest, level);
            EptEntry entry = Read(place);
            if (!entry.IsPresent)
            {
                if (!_frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page4K, out PhysicalAddress next))
                {
                    Trim(guest);
                    return false;
                }

                TableFrames++;
                entry = EptEntry.Table(next);
                Link(place, entry);
            }
            else if (level < TopLevel && entry.MapsPage)
            {
                throw new InvalidOperationException($"{guest} is already mapped by a larger page.");
            }

            table = entry.Address;
        }

        PhysicalAddress last = Place(table, guest, leaf);
        if (Read(last).IsPresent)
            throw new InvalidOperationException($"{guest} is already mapped.");
        Write(last, EptEntry.Page(host, size, rights, type));
        return true;
    }

    /// <summary>Takes one page away, and tables that are empty then.</summary>
    /// <param name="guest">Its first byte.</param>
    /// <param name="size">The size with which it was mapped.</param>
    public void Unmap(GuestPhysicalAddress guest, FrameSize size)
    {
        EptWalkResult found = Walk(guest, EptRights.None);
        if (found.Outcome != EptOutcome.Mapped || found.Size != size || !size.IsAligned(guest.Value))
            throw new InvalidOperationException($"{guest} is not mapped by a page of {size.Bytes} bytes.");
        PhysicalAddress table = Pointer.Root;
        for (int level = TopLevel; level > found.Level; level--)
            table = Read(Place(table, guest, level)).Address;
        Write(Place(table, guest, found.Level), default);
        Trim(guest);
    }

    /// <summary>Takes one page away where it is mapped to a certain place, and tables on the way there that are empty, whoever left them.</summary>
    /// <param name="guest">Its first byte.</param>
    /// <param name="host">The place.</param>
    /// <param name="size">The size with which it would have been mapped.</param>
    public void Remove(GuestPhysicalAddress guest, PhysicalAddress host, FrameSize size)
    {
        if (_isReleased)
            return;
        EptWalkResult found = Walk(guest, EptRights.None);
        if (found.Outcome == EptOutcome.Mapped && found.Size == size && found.Address == host)
            Unmap(guest, size);
        else
            Trim(guest);
    }

    /// <summary>Gives all tables back; the mapped pages are their owner's business.</summary>
    public void Release()
    {
        _isReleased = true;
        ReleaseBelow(Pointer.Root, TopLevel);
        FreeTable(Pointer.Root);
    }

    private static int LevelOf(FrameSize size) => 1 + (((int)size - 12) / 9);

    private static PhysicalAddress Place(PhysicalAddress table, GuestPhysicalAddress guest, int level) =>
        table + ((guest.Value >> (12 + (9 * (level - 1))) & (Entries - 1)) * sizeof(ulong));

    private static bool ReferencesTable(EptEntry entry, int level) =>
        entry.IsPresent && level > 1 && (level == TopLevel || !entry.MapsPage);

    // Frees the empty tables on the way to an address, lowest first.
    private void Trim(GuestPhysicalAddress guest)
    {
        for (int lowest = 1; lowest < TopLevel; lowest++)
        {
            PhysicalAddress table = Pointer.Root;
            PhysicalAddress reference = default;
            int level = TopLevel;
            while (level > lowest)
            {
                reference = Place(table, guest, level);
                EptEntry entry = Read(reference);
                if (!ReferencesTable(entry, level))
                    break;
                table = entry.Address;
                level--;
            }

            if (level != lowest)
                continue;
            if (!IsEmpty(table))
                return;
            Write(reference, default);
            FreeTable(table);
        }
    }

    private bool IsEmpty(PhysicalAddress table)
    {
        for (int index = 0; index < Entries; index++)
        {
            if (Read(table + ((ulong)index * sizeof(ulong))).IsPresent)
                return false;
        }

        return true;
    }

    private void ReleaseBelow(PhysicalAddress table, int level)
    {
        for (int index = 0; index < Entries; index++)
        {
            EptEntry entry = Read(table + ((ulong)index * sizeof(ulong)));
            if (!ReferencesTable(entry, level))
                continue;
            ReleaseBelow(entry.Address, level - 1);
            FreeTable(entry.Address);
        }
    }

    private void FreeTable(PhysicalAddress table)
    {
        _frames.Free(FrameOwner.Vmm, table, FrameSize.Page4K);
        TableFrames--;
    }

    private EptEntry Read(PhysicalAddress place) =>
        _memory.TryRead(place, out ulong raw) ? new(raw) : throw new InvalidOperationException($"The table entry at {place} is no memory.");

    // A table that nothing leads to goes back where the write that would lead there does not happen.
    private void Link(PhysicalAddress place, EptEntry entry)
    {
        try
        {
            Write(place, entry);
        }
        catch
        {
            FreeTable(entry.Address);
            throw;
        }
    }

    private void Write(PhysicalAddress place, EptEntry entry)
    {
        _frames.BeforeTableWrite?.Invoke();
        if (!_memory.TryWrite(place, entry.Raw.Value))
            throw new InvalidOperationException($"The table entry at {place} is no memory.");
    }
}
