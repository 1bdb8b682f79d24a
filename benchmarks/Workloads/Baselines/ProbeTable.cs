using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Dma.Workloads;

/// <summary>The baseline of a hit: one direct-mapped table of 16,384 pages over a flat buffer, filled by walks.</summary>
internal sealed unsafe class ProbeTable : IDisposable
{
    private const int EntriesMax = 16_384;
    private const ulong Empty = ulong.MaxValue;

    private readonly FlatWalk _walk;
    private readonly int _pageShift;
    private readonly Entry* _entries;

    /// <summary>An empty table.</summary>
    /// <param name="walk">Where translations come from.</param>
    /// <param name="pageShift">The size of the pages that it holds: 12 or 21.</param>
    public ProbeTable(FlatWalk walk, int pageShift)
    {
        _walk = walk;
        _pageShift = pageShift;
        _entries = (Entry*)NativeMemory.AlignedAlloc(EntriesMax * (nuint)sizeof(Entry), 4096);
        new Span<Entry>(_entries, EntriesMax).Fill(new(Empty, 0));
    }

    /// <summary>The physical address, or <see cref="FlatWalk.Fault"/>.</summary>
    /// <param name="address">The I/O address.</param>
    /// <param name="rights">1 for a read, 2 for a write.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public ulong Translate(ulong address, ulong rights)
    {
        ulong page = address >> _pageShift;
        Entry* entry = _entries + (page & (EntriesMax - 1));
        return entry->Page == page && (entry->FrameAndRights & rights) == rights
            ? (entry->FrameAndRights & ~0xFFFul) + (address & ((1ul << _pageShift) - 1))
            : Fill(address, rights);
    }

    /// <summary>Forgets one page.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Invalidate(ulong address)
    {
        ulong page = address >> _pageShift;
        Entry* entry = _entries + (page & (EntriesMax - 1));
        if (entry->Page == page)
            entry->Page = Empty;
    }

    public void Dispose() => NativeMemory.AlignedFree(_entries);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private ulong Fill(ulong address, ulong rights)
    {
        ulong target = _walk.Translate(address, rights);
        if (target == FlatWalk.Fault)
            return target;
        ulong page = address >> _pageShift;
        ulong frame = target & ~((1ul << _pageShift) - 1);
        _entries[page & (EntriesMax - 1)] = new(page, frame | rights);
        return target;
    }

    private record struct Entry(ulong Page, ulong FrameAndRights);
}
