using System.Runtime.CompilerServices;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The cache of interrupt remapping entries by index, in sets and ways (VT-d, interrupt entry cache).</summary>
/// <remarks>What it holds may be older than the table in memory, until software invalidates it: that is the architecture.</remarks>
internal sealed class InterruptEntryCache
{
    private readonly CachedInterrupt[] _entries;
    private readonly int[] _nextWay;
    private readonly uint _sets;
    private readonly int _ways;
    private readonly bool _random;
    private uint _randomState = 0x9E37_79B9;

    public InterruptEntryCache(HardwareProfile profile)
    {
        _sets = (uint)profile.InterruptCacheSets;
        _ways = profile.InterruptCacheWays;
        _random = profile.Replacement == Replacement.Random;
        _entries = new CachedInterrupt[profile.InterruptCacheSets * profile.InterruptCacheWays];
        _nextWay = new int[profile.InterruptCacheSets];
    }

    /// <summary>Looks an index up.</summary>
    /// <returns>The entry, or a null reference where none is cached.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref readonly CachedInterrupt Find(int index)
    {
        foreach (ref readonly CachedInterrupt entry in SetOf(index))
        {
            if (entry.Tag == index + 1)
                return ref entry;
        }

        return ref Unsafe.NullRef<CachedInterrupt>();
    }

    /// <summary>Takes an entry in, of which none is cached for its index; another one may have to go.</summary>
    public void Insert(in CachedInterrupt interrupt)
    {
        Span<CachedInterrupt> set = SetOf(interrupt.Tag - 1);
        if (!set.IsEmpty)
            set[WayFor(set, (int)NumberOfSet(interrupt.Tag - 1))] = interrupt;
    }

    /// <summary>Forgets all entries.</summary>
    public void Clear() => Array.Clear(_entries);

    /// <summary>Forgets some entries.</summary>
    /// <param name="first">The index of the first one.</param>
    /// <param name="count">How many.</param>
    public void Drop(int first, int count)
    {
        // A range of more entries than there are sets can be anywhere: each set once. Else the sets of its entries.
        if (count >= _sets)
        {
            Drop(_entries, first, count);
        }
        else
        {
            for (int index = first; index < first + count; index++)
                Drop(SetOf(index), index, 1);
        }
    }

    private static void Drop(Span<CachedInterrupt> entries, int first, int count)
    {
        foreach (ref CachedInterrupt entry in entries)
        {
            if (entry.Tag > first && entry.Tag <= first + count)
                entry = default;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Span<CachedInterrupt> SetOf(int index) =>
        _sets == 0 ? [] : _entries.AsSpan((int)NumberOfSet(index) * _ways, _ways);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private uint NumberOfSet(int index) => (_sets & (_sets - 1)) == 0 ? (uint)index & (_sets - 1) : (uint)index % _sets;

    private int WayFor(ReadOnlySpan<CachedInterrupt> set, int index)
    {
        for (int way = 0; way < _ways; way++)
        {
            if (set[way].Tag == 0)
                return way;
        }

        if (!_random)
        {
            int next = _nextWay[index];
            _nextWay[index] = next + 1 == _ways ? 0 : next + 1;
            return next;
        }

        // Xorshift: any generator will do, if it is the same each time.
        _randomState ^= _randomState << 13;
        _randomState ^= _randomState >> 17;
        _randomState ^= _randomState << 5;
        return (int)(_randomState % (uint)_ways);
    }
}
