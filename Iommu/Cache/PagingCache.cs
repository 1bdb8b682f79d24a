using System.Runtime.CompilerServices;

namespace Dma.Iommu;

/// <summary>The cache of paging entries that lead to tables, of both stages, in sets and ways.</summary>
/// <remarks>
/// It lets a walk begin below the top. Like everything cached, an entry may be older than the one in memory until
/// software invalidates it, by a command that does not say that only leaves changed. Entries that are not present
/// or faulty are never here.
/// <code>
///   tag   stamp of the address space          key   level of the entry, input address above what it covers
///   data  the table that it leads to, with what all entries from the top down to it permit
/// </code>
/// </remarks>
internal sealed class PagingCache
{
    private const int LevelMax = 5;

    private readonly Entry[] _entries;
    private readonly byte[] _nextWay;
    private readonly uint _sets;
    private readonly int _ways;

    // Levels of which an entry was ever put in.
    private int _levels;

    public PagingCache(HardwareProfile profile)
    {
        _sets = (uint)profile.PagingCacheSets;
        _ways = profile.PagingCacheWays;
        _entries = new Entry[_sets * _ways];
        _nextWay = new byte[_sets];
    }

    /// <summary>Who looks for invalidations that are missing; null where nobody does.</summary>
    public StaleTracker? Tracker { get; set; }

    /// <summary>Whether there is none.</summary>
    public bool IsAbsent => _sets == 0;

    /// <summary>Finds the lowest table on the way to an address: the one place where a hit is decided.</summary>
    /// <param name="space">The address space.</param>
    /// <param name="address">The input address.</param>
    /// <param name="top">The level of the top table; entries of it lead to tables one level below.</param>
    /// <param name="level">The level of the table.</param>
    /// <param name="data">The table, in the bits of a frame, and what the way there permits, in the others.</param>
    public bool TryFind(AddressSpace space, ulong address, int top, out int level, out ulong data)
    {
        for (int from = 2; from <= top; from++)
        {
            if ((_levels & (1 << from)) == 0 || !TryFindAt(space, address, from, out data))
                continue;
            level = from - 1;
            return true;
        }

        level = 0;
        data = 0;
        return false;
    }

    /// <summary>Looks for an entry of one level.</summary>
    /// <param name="space">The address space.</param>
    /// <param name="address">The input address.</param>
    /// <param name="level">The level of the entry.</param>
    /// <param name="data">The table that it leads to, with what the way there permits.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFindAt(AddressSpace space, ulong address, int level, out ulong data)
    {
        ulong key = KeyOf(address, level);
        foreach (ref Entry entry in SetOf(key, space, out _))
        {
            if (entry.Key != key || entry.Stamp != space.Stamp)
                continue;
            data = entry.Data;
            return true;
        }

        data = 0;
        return false;
    }

    /// <summary>Takes in an entry that a walk went on from.</summary>
    /// <param name="space">The address space.</param>
    /// <param name="address">The input address.</param>
    /// <param name="level">The level of the entry, 2 or more.</param>
    /// <param name="data">The table that it leads to, with what the way there permits.</param>
    public void Insert(AddressSpace space, ulong address, int level, ulong data)
    {
        _levels |= 1 << level;
        ulong key = KeyOf(address, level);
        Span<Entry> set = SetOf(key, space, out uint index);
        int chosen = -1;
        for (int way = 0; way < set.Length; way++)
        {
            if (set[way].Key == key && set[way].Stamp == space.Stamp)
                chosen = way;
            else if (set[way].Stamp == 0 && chosen < 0)
                chosen = way;
        }

        if (chosen < 0)
        {
            chosen = _nextWay[index];
            _nextWay[index] = (byte)(chosen + 1 == _ways ? 0 : chosen + 1);
        }

        set[chosen] = new() { Stamp = space.Stamp, Key = key, Data = data };
    }

    /// <summary>Tells who looks for missing invalidations what was taken in.</summary>
    public void Remember(AddressSpace space, ulong address, int level, ulong data)
    {
        ulong stamp = space.Stamp;
        Tracker?.RememberTable(space, KeyOf(address, level), level, data, () =>
            space.Stamp == stamp && TryFindAt(space, address, level, out ulong held) && held == data);
    }

    /// <summary>Drops the entries on the way to the pages of a range.</summary>
    /// <param name="space">The address space.</param>
    /// <param name="address">The first address; low bits that the mask covers do not matter.</param>
    /// <param name="mask">2^mask pages of 4 KiB, fewer than there can be.</param>
    public void DropPages(AddressSpace space, ulong address, int mask)
    {
        ulong first = address >> 12 >> mask << mask << 12;
        ulong last = first + (((1ul << mask) - 1) << 12);
        for (int level = 2; level <= LevelMax; level++)
        {
            if ((_levels & (1 << level)) != 0)
                DropLevel(space, KeyOf(first, level), KeyOf(last, level));
        }
    }

    private void DropLevel(AddressSpace space, ulong first, ulong last)
    {
        if (last - first >= _sets)
        {
            foreach (ref Entry entry in _entries.AsSpan())
                DropIf(ref entry, space, first, last);
            return;
        }

        for (ulong key = first; key <= last; key++)
        {
            foreach (ref Entry entry in SetOf(key, space, out _))
                DropIf(ref entry, space, first, last);
        }
    }

    private static void DropIf(ref Entry entry, AddressSpace space, ulong first, ulong last)
    {
        if (entry.Stamp == space.Stamp && entry.Key >= first && entry.Key <= last)
            entry = default;
    }

    /// <summary>What an entry is found by: what it covers has a number among its like; the level stands above it.</summary>
    public static ulong KeyOf(ulong address, int level) => IotlbTag.Place(address >> (3 + (9 * level)), level);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Span<Entry> SetOf(ulong key, AddressSpace space, out uint index)
    {
        // Levels start in different places, so that the few upper entries do not all meet in one set.
        ulong place = key + (key >> 42) + space.Salt;
        index = (_sets & (_sets - 1)) == 0 ? (uint)place & (_sets - 1) : (uint)(place % _sets);
        return _entries.AsSpan((int)index * _ways, _ways);
    }

    // No address space has stamp 0: it is an empty way.
    private struct Entry
    {
        public ulong Stamp;
        public ulong Key;
        public ulong Data;
    }
}
