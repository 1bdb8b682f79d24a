using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The pages of a VM whose memory was all there at the beginning, and need not stay: out to a backing store, and in when they are touched.</summary>
/// <remarks>
/// A page comes in at once, by the exit that found it missing. Where the host has no frame left, a page of the same VM
/// goes for it: the next one in the order of addresses that nobody has pinned.
/// </remarks>
public sealed class PageSwap
{
    private readonly FrameTable _frames;
    private readonly EptTables _tables;
    private readonly GuestMemory _memory;
    private readonly BackingStore _store;
    private ulong _hand;

    internal PageSwap(FrameTable frames, GuestMemory memory, BackingStore store) =>
        (_frames, _tables, _memory, _store) = (frames, memory.Tables, memory, store);

    /// <summary>How many pages came in.</summary>
    public ulong In { get; private set; }

    /// <summary>How many pages went out.</summary>
    public ulong Out { get; private set; }

    /// <summary>Brings a page in that is out.</summary>
    /// <returns><c>false</c> where no frame can be had: the host has none, and all of the VM's are pinned.</returns>
    internal bool TryBringIn(GuestPhysicalAddress page)
    {
        // A frame, and perhaps a table for it.
        PhysicalAddress frame;
        while (!TryPlace(page, out frame))
        {
            if (!TryTakeOutOne())
                return false;
        }

        _store.Return(page.Page, frame);
        In++;
        return true;
    }

    /// <summary>Takes a page out that is in, in a frame of its own.</summary>
    internal void TakeOut(GuestPhysicalAddress page, PhysicalAddress frame)
    {
        // Out of reach of the processor before it is read; cleared when it is given back.
        _tables.Unmap(page, FrameSize.Page4K);
        _store.Keep(page.Page, frame);
        _frames.Free(_memory.Owner, frame, FrameSize.Page4K);
        _memory.DirtyLog?.Mark(page);
        Out++;
    }

    private bool TryPlace(GuestPhysicalAddress page, out PhysicalAddress frame)
    {
        if (!_frames.TryAllocate(_memory.Owner, FrameSize.Page4K, out frame))
            return false;
        if (_tables.TryMap(page, frame, FrameSize.Page4K, EptRights.All, EptMemoryType.WriteBack))
            return true;
        _frames.Free(_memory.Owner, frame, FrameSize.Page4K);
        return false;
    }

    // Each page is looked at once at the most.
    private bool TryTakeOutOne()
    {
        ulong pages = _memory.Bytes / FrameSize.Page4K.Bytes;
        for (ulong looked = 0; looked < pages; looked++)
        {
            GuestPhysicalAddress page = MemoryLayout.PageAt(_hand);
            _hand = (_hand + 1) % pages;
            EptWalkResult found = _tables.Walk(page, EptRights.None);
            if (found.Outcome != EptOutcome.Mapped || !_memory.TryLoosen(found.Address) || !_tables.TrySplit(page))
                continue;
            TakeOut(page, found.Address);
            return true;
        }

        return false;
    }
}
