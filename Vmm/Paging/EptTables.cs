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
    public EptPointer Pointer { get; private set; }

    /// <summary>How many frames the tables take.</summary>
    public int TableFrames { get; private set; }

    /// <summary>Tables that map nothing; <c>null</c> where no frame is free.</summary>
    public static EptTables? TryCreate(FrameTable frames) =>
        frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page4K, out PhysicalAddress root) ? new(frames, root) : null;

    /// <summary>Walks as the processor does, and changes nothing; released tables map nothing.</summary>
    public EptWalkResult Walk(GuestPhysicalAddress address, EptRights access) =>
        _isReleased ? EptWalkResult.Violation(0, default, EptRights.None) : EptWalker.Walk(_memory, Pointer, address, access);

    /// <summary>Walks for an access of the processor: what it uses is marked, while <see cref="TracksAccess"/>.</summary>
    public EptWalkResult Access(GuestPhysicalAddress address, EptRights access) =>
        _isReleased ? EptWalkResult.Violation(0, default, EptRights.None) : EptWalker.WalkAndMark(_memory, Pointer, address, access);

    /// <summary>Whether the processor marks what it accesses and writes.</summary>
    public bool TracksAccess
    {
        get => Pointer.TracksAccess;
        set => Pointer = Pointer with { TracksAccess = value };
    }

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
        Write(PlaceAt(guest, found.Level), default);
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

    /// <summary>Sees to it that no page larger than 4 KiB maps an address, by putting tables with the same translations in its place.</summary>
    /// <param name="guest">The address; it is mapped.</param>
    /// <returns><c>false</c> where no frame is free for a table; all translations are as before.</returns>
    public bool TrySplit(GuestPhysicalAddress guest)
    {
        EptWalkResult found = Walk(guest, EptRights.None);
        for (int level = found.Level; level > 1; level--)
        {
            if (!_frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page4K, out PhysicalAddress smaller))
                return false;
            TableFrames++;
            PhysicalAddress place = PlaceAt(guest, level);
            EptEntry larger = Read(place);
            ulong step = SizeOf(level - 1).Bytes;
            for (int index = 0; index < Entries; index++)
            {
                EptEntry piece = larger with { Address = larger.Address + ((ulong)index * step) };
                Write(smaller + ((ulong)index * sizeof(ulong)), level == 2 ? new(piece.Raw.With(7, false)) : piece);
            }

            Write(place, EptEntry.Table(smaller));
        }

        return true;
    }

    /// <summary>Puts another frame behind a page of 4 KiB, or gives it other rights, in one store.</summary>
    /// <param name="guest">The page; it is mapped, by a page of 4 KiB.</param>
    /// <param name="host">The frame.</param>
    /// <param name="rights">What the guest may do; not only writing.</param>
    public void Change(GuestPhysicalAddress guest, PhysicalAddress host, EptRights rights)
    {
        PhysicalAddress place = PlaceAt(guest, 1);
        Write(place, Read(place) with { Address = host, Rights = rights });
    }

    /// <summary>Finds the pages that the processor has written since the last time, and begins anew.</summary>
    /// <remarks>A processor that caches translations must be told before what the pages hold is read: it would not mark them again.</remarks>
    /// <param name="guest">The first address, a multiple of 4096.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="found">Learns the first byte and the size of each page.</param>
    public void CollectDirty(GuestPhysicalAddress guest, ulong length, Action<GuestPhysicalAddress, FrameSize> found)
    {
        for (ulong done = 0; done < length;)
        {
            GuestPhysicalAddress at = guest + done;
            EptWalkResult page = Walk(at, EptRights.None);
            FrameSize size = SizeOf(Math.Clamp(page.Level, 1, 3));
            at = new(at.Value & ~(size.Bytes - 1));
            if (page.Outcome == EptOutcome.Mapped && page.Entry.Dirty)
            {
                Write(PlaceAt(at, page.Level), page.Entry with { Dirty = false });
                found(at, size);
            }

            done = at.Value + size.Bytes - guest.Value;
        }
    }

    /// <summary>Gives all tables back; the mapped pages are their owner's business.</summary>
    public void Release()
    {
        _isReleased = true;
        ReleaseBelow(Pointer.Root, TopLevel);
        FreeTable(Pointer.Root);
    }

    private static int LevelOf(FrameSize size) => 1 + (((int)size - 12) / 9);

    private static FrameSize SizeOf(int level) => (FrameSize)(12 + (9 * (level - 1)));

    // The entry for an address at a level that its walk reaches.
    private PhysicalAddress PlaceAt(GuestPhysicalAddress guest, int level)
    {
        PhysicalAddress table = Pointer.Root;
        for (int above = TopLevel; above > level; above--)
            table = Read(Place(table, guest, above)).Address;
        return Place(table, guest, level);
    }

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
