using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The address space of a process: its page table, and what the processor caches of it.</summary>
/// <remarks>
/// A translation that is cached goes on to work when its entry is gone, until it is flushed. It says whether the entry is
/// marked dirty already; while it says so, writes leave no further mark. Entries lead to what the service OS believes to be physical; in a
/// service VM, what is cached is where that leads by EPT.
/// </remarks>
/// <param name="pages">What entries lead to.</param>
internal sealed class ProcessSpace(IWindowPages pages)
{
    private const int CachedMax = 64;

    private readonly Dictionary<ulong, PageEntry> _table = [];
    private readonly Translation[] _cached = new Translation[CachedMax];

    /// <summary>Virtual page numbers that have an entry.</summary>
    public IReadOnlyCollection<ulong> Pages => _table.Keys;

    /// <summary>Translates as the processor does.</summary>
    /// <param name="address">The virtual address.</param>
    /// <param name="isWrite">Whether it is written.</param>
    /// <param name="target">Where that is.</param>
    /// <returns><c>false</c> where there is no entry, or it leads to nothing: a page fault.</returns>
    public bool TryTranslate(ulong address, bool isWrite, out PhysicalAddress target)
    {
        ulong page = address >> (int)FrameSize.Page4K;
        ref Translation cached = ref _cached[page % CachedMax];
        if (!cached.IsOf(page) || (isWrite && !cached.IsDirty))
        {
            if (!_table.TryGetValue(page, out PageEntry entry))
            {
                target = default;
                return false;
            }

            if (isWrite && !entry.IsDirty)
                _table[page] = entry = entry with { IsDirty = true };
            if (pages.Reach(entry.Place, isWrite) is not { } frame)
            {
                target = default;
                return false;
            }

            cached = new(page, frame, isWrite);
        }

        target = cached.Frame + (address & (FrameSize.Page4K.Bytes - 1));
        return true;
    }

    /// <summary>Where a page leads, by its entry, or by what is cached of an entry that is gone; null where nowhere.</summary>
    public PhysicalAddress? FrameOf(ulong page)
    {
        if (_table.TryGetValue(page, out PageEntry entry) && pages.Reach(entry.Place, isWrite: false) is { } frame)
            return frame;
        Translation cached = _cached[page % CachedMax];
        return cached.IsOf(page) ? cached.Frame : null;
    }

    /// <summary>Writes the entry of a page that has none.</summary>
    public void Map(ulong page, GuestPhysicalAddress place) => _table.Add(page, new(place, IsDirty: false));

    /// <summary>Removes an entry; what is cached of it stays.</summary>
    /// <returns><c>false</c> where there is none.</returns>
    public bool TryUnmap(ulong page, out PageEntry entry) => _table.Remove(page, out entry);

    /// <summary>Makes the processor forget a page.</summary>
    public void Flush(ulong page)
    {
        ref Translation cached = ref _cached[page % CachedMax];
        if (cached.IsOf(page))
            cached = default;
    }

    /// <summary>Makes the processor forget all pages.</summary>
    public void FlushAll() => Array.Clear(_cached);

    /// <summary>Takes the dirty mark off an entry; the processor must be told before what the page holds is read.</summary>
    /// <returns>Whether it had one.</returns>
    public bool TryClean(ulong page)
    {
        if (!_table.TryGetValue(page, out PageEntry entry) || !entry.IsDirty)
            return false;
        _table[page] = entry with { IsDirty = false };
        return true;
    }

    /// <summary>The process has ended.</summary>
    public void Clear()
    {
        _table.Clear();
        FlushAll();
    }

    /// <summary>An entry of the page table.</summary>
    /// <param name="Place">Where the page is, as the service OS knows it.</param>
    /// <param name="IsDirty">Whether it was written.</param>
    internal readonly record struct PageEntry(GuestPhysicalAddress Place, bool IsDirty);

    // The number counts from 1, so that one that was never filled is of no page.
    private readonly record struct Translation
    {
        private readonly ulong _number;

        public Translation(ulong page, PhysicalAddress frame, bool isDirty) => (_number, Frame, IsDirty) = (page + 1, frame, isDirty);

        public PhysicalAddress Frame { get; }

        public bool IsDirty { get; }

        public bool IsOf(ulong page) => _number == page + 1;
    }
}
