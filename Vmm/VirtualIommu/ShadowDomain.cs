using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A domain of the host's unit that is made to say what a guest's tables say, in host addresses.</summary>
/// <remarks>
/// <code>
///   guest's tables    device address --> guest-physical page
///   EPT                                  guest-physical page --> host frame, if it is the guest's memory
///   this domain       device address --------------------------> host frame, pinned
/// </code>
/// An address whose translation changes leads to the old frame or to the new one at any time, as in a unit that walks
/// the guest's tables itself. A frame is pinned before it can be reached, and until it cannot be any more.
/// </remarks>
/// <param name="machine">The guest.</param>
/// <param name="domain">The domain.</param>
internal sealed class ShadowDomain(VirtualMachine machine, RemappingDomain domain)
{
    private const ulong PageSize = 4096;

    private readonly ShadowPieces _pieces = new();

    /// <summary>The first address that the domain does not have.</summary>
    public ulong AddressEnd => 1ul << domain.AddressBits;

    /// <summary>How many pages are pinned for it.</summary>
    public ulong PinnedPages { get; private set; }

    /// <summary>How many pages the guest's tables mapped that were refused: its quota, or memory for tables, ran out.</summary>
    public ulong PagesRefused { get; private set; }

    /// <inheritdoc cref="ShadowPieces.Widen"/>
    public (ulong First, ulong End) Widen(ulong first, ulong end) => _pieces.Widen(first, end);

    /// <summary>Adds what a page of the guest's tables leads to, as far as it is memory of the guest; it is pinned until <see cref="Set"/> has taken it.</summary>
    /// <param name="pieces">The pieces so far, lowest address first; neighbours are put together.</param>
    /// <param name="address">The first device address.</param>
    /// <param name="guest">The guest-physical address that it leads to.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="direction">What the device may do.</param>
    /// <param name="pageBytes">The page of the guest's tables.</param>
    /// <returns>How many pages of memory they are.</returns>
    public ulong Resolve(List<ShadowPiece> pieces, ulong address, GuestPhysicalAddress guest, ulong length, DmaDirection direction, ulong pageBytes)
    {
        ulong pages = 0;
        for (ulong done = 0; done < length && address + done < AddressEnd;)
        {
            // Addresses of interrupts are no memory, and no page that is larger has a part there.
            EptWalkResult found = machine.Memory.Tables.Walk(guest + done, EptRights.ReadWrite);

            // Memory that has no frame at the moment, or is being copied, is brought to where a device can use it.
            if (found.Outcome == EptOutcome.Violation && machine.Memory.TryReach(guest + done))
                found = machine.Memory.Tables.Walk(guest + done, EptRights.ReadWrite);
            ulong step = Math.Min(length - done, StepOf(found, guest + done));
            bool isOurs = found.Outcome == EptOutcome.Mapped && machine.Host.Frames.OwnerOf(found.Address) == machine.Owner;
            if (isOurs)
            {
                step = Math.Min(step, AddressEnd - address - done);
                Append(pieces, new(address + done, step, found.Address, direction, pageBytes));
                pages += step / PageSize;
            }
            else if (found.Outcome != EptOutcome.Mapped && !machine.Memory.Contains(guest + done, PageSize))
                step = Math.Min(length - done, UnmappedStep(guest + done));
            done += step;
        }

        return pages;
    }

    /// <summary>Pages that the guest's tables map are not looked for: they are too many.</summary>
    public void Refuse(ulong pages) => PagesRefused += pages;

    /// <summary>Makes a range lead where it should, and nowhere else; when this completes the device cannot use what it had before.</summary>
    public async ValueTask Set(ulong first, ulong end, IReadOnlyList<ShadowPiece> wanted)
    {
        IReadOnlyList<ShadowPiece> before = _pieces.Take(first, end);
        ShadowChange change = ShadowChange.Between(before, wanted);

        // 1. The quota first, so that what goes makes room for what comes; then pins, so that no frame is reached without.
        Count(unchecked(0 - PagesOf(change.Gone)));
        List<ShadowPiece> come = [.. change.Come.Select(Admit).Where(piece => piece.Length != 0)];
        List<ShadowPiece> pinned = [.. come, .. change.Replaced.Select(pair => pair.New)];
        pinned.ForEach(Pin);
        foreach (ShadowPiece piece in wanted)
            Unpin(piece);

        // 2. What goes and what leads elsewhere, in the tables and then in the caches.
        if (!await TryChange(change))
        {
            await Abandon([.. before.Concat(_pieces.Take(0, AddressEnd)).OrderBy(piece => piece.First)], pinned);
            return;
        }

        List<ShadowPiece> dropped = [.. change.Gone, .. change.Replaced.Select(pair => pair.Old)];
        if (dropped.Count != 0)
            await domain.Flush();

        // 3. What cannot be reached any more is let go; what is new is mapped.
        dropped.ForEach(Unpin);
        _pieces.Put(change.Kept);
        _pieces.Put(change.Replaced.Select(pair => pair.New));
        foreach (ShadowPiece piece in come)
        {
            if (await domain.Map(new(piece.First), new(piece.Host.Value), piece.Length, piece.Direction) == DmaRefusal.None)
            {
                _pieces.Put([piece]);
                continue;
            }

            Refuse(piece.Pages);
            Count(unchecked(0 - piece.Pages));
            Unpin(piece);
        }
    }

    private async ValueTask<bool> TryChange(ShadowChange change)
    {
        foreach (ShadowPiece piece in change.Gone)
        {
            if (!IsDone(await domain.UnmapDeferred(new(piece.First), piece.Length)))
                return false;
        }

        foreach ((_, ShadowPiece next) in change.Replaced)
        {
            if (!IsDone(await domain.ReplaceDeferred(new(next.First), new(next.Host.Value), next.Length, next.Direction)))
                return false;
        }

        return true;
    }

    // No frame is left to split a superpage with: all is unmapped, superpages as a whole, until the guest's tables are read again.
    private async ValueTask Abandon(List<ShadowPiece> mapped, List<ShadowPiece> pinned)
    {
        for (int next = 0; next < mapped.Count;)
        {
            ulong first = mapped[next].First;
            ulong end = first;
            while (next < mapped.Count && mapped[next].First == end)
                end = mapped[next++].End;
            await UnmapAll(first, end);
        }

        await domain.Flush();
        mapped.ForEach(Unpin);
        pinned.ForEach(Unpin);
        Refuse(PinnedPages);
        Count(unchecked(0 - PinnedPages));
    }

    // Some of the range may be unmapped already.
    private async ValueTask UnmapAll(ulong first, ulong end)
    {
        ulong run = first;
        for (ulong at = first; at < end;)
        {
            bool isMapped = domain.TryFind(new(at), out RemappingLeaf leaf);
            ulong next = Math.Min(end, isMapped ? (at | (leaf.PageSize - 1)) + 1 : at + PageSize);
            if (!isMapped && run < at)
                await UnmapWhole(run, at);
            if (!isMapped)
                run = next;
            at = next;
        }

        if (run < end)
            await UnmapWhole(run, end);
    }

    private async ValueTask UnmapWhole(ulong first, ulong end)
    {
        if (!IsDone(await domain.UnmapDeferred(new(first), end - first)))
            throw new InvalidOperationException($"No superpage crosses {first:X}h or {end:X}h, and still one has to be split.");
    }

    private void Append(List<ShadowPiece> pieces, ShadowPiece piece)
    {
        // Around the interrupt range: requests there never come to tables.
        if (piece.First <= InterruptRange.Last && piece.End > InterruptRange.First)
        {
            if (piece.First < InterruptRange.First)
                Append(pieces, piece.Before(InterruptRange.First));
            if (piece.End > InterruptRange.Last + 1)
                Append(pieces, piece.From(InterruptRange.Last + 1));
            return;
        }

        // The next one may be brought in, for the frame of one that nobody has pinned.
        Pin(piece);
        if (pieces.Count != 0 && pieces[^1].IsFollowedBy(piece))
            pieces[^1] = pieces[^1] with { Length = pieces[^1].Length + piece.Length };
        else
            pieces.Add(piece);
    }

    private static ulong StepOf(EptWalkResult found, GuestPhysicalAddress guest) =>
        found.Outcome == EptOutcome.Mapped ? found.Size.Bytes - (guest.Value & (found.Size.Bytes - 1)) : PageSize;

    // Where the guest has no memory the next that it has may be far away.
    private ulong UnmappedStep(GuestPhysicalAddress guest)
    {
        foreach ((ulong start, ulong _) in MemoryLayout.Memory(machine.Memory.Bytes))
        {
            if (guest.Value < start)
                return start - guest.Value;
        }

        return ulong.MaxValue;
    }

    private static bool IsDone(DmaRefusal refusal) => refusal switch
    {
        DmaRefusal.None => true,
        DmaRefusal.Exhausted => false,
        _ => throw new InvalidOperationException($"The shadow domain does not hold what its books say: {refusal}."),
    };

    private static ulong PagesOf(List<ShadowPiece> pieces) => pieces.Aggregate(0ul, (pages, piece) => pages + piece.Pages);

    // As much of a piece as the quota allows.
    private ShadowPiece Admit(ShadowPiece piece)
    {
        ulong room = machine.PinnedPagesMax > machine.PinnedPages ? machine.PinnedPagesMax - machine.PinnedPages : 0;
        ulong pages = Math.Min(piece.Pages, room);
        PagesRefused += piece.Pages - pages;
        Count(pages);
        return piece with { Length = pages * PageSize };
    }

    private void Count(ulong pages)
    {
        machine.PinnedPages = unchecked(machine.PinnedPages + pages);
        PinnedPages = unchecked(PinnedPages + pages);
    }

    private void Pin(ShadowPiece piece)
    {
        for (ulong done = 0; done < piece.Length; done += PageSize)
            machine.Host.Frames.Pin(piece.Host + done);
    }

    private void Unpin(ShadowPiece piece)
    {
        for (ulong done = 0; done < piece.Length; done += PageSize)
            machine.Host.Frames.Unpin(piece.Host + done);
    }
}
