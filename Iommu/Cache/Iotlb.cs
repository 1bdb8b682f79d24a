using System.Runtime.CompilerServices;

namespace Dma.Iommu;

/// <summary>The cache of translations, in sets and ways, tagged with address space and requester.</summary>
/// <remarks>
/// What it holds may be older than the tables in memory, until software invalidates it: that is the
/// architecture. An entry is found by page and address space alone, whoever the requester is, so an
/// invalidation of pages looks at the sets where they can be and nowhere else; whole address spaces go by their
/// stamp. Whatever leaves here leaves the front table of its requester too.
/// </remarks>
internal sealed class Iotlb
{
    private readonly Entry[] _entries;
    private readonly byte[] _nextWay;
    private readonly uint _sets;
    private readonly int _ways;
    private readonly bool _random;
    private uint _randomState = 0x9E37_79B9;

    // Levels of which an entry was ever put in since the last time all were dropped; bit 1 is 2 MiB, bit 2 is 1 GiB.
    private int _superpages;

    public Iotlb(HardwareProfile profile)
    {
        _sets = (uint)profile.IotlbSets;
        _ways = profile.IotlbWays;
        _random = profile.Replacement == Replacement.Random;
        _entries = new Entry[profile.IotlbSets * profile.IotlbWays];
        _nextWay = new byte[profile.IotlbSets];
    }

    /// <summary>Whether there is none.</summary>
    public bool IsAbsent => _sets == 0;

    /// <summary>Looks an address up.</summary>
    /// <param name="stream">Whose request.</param>
    /// <param name="space">The address space that it uses now.</param>
    /// <param name="address">The input address.</param>
    /// <param name="translation">What is cached.</param>
    public bool TryFind(RequestStream stream, AddressSpace space, ulong address, out Translation translation)
    {
        if (_sets == 0)
        {
            translation = default;
            return false;
        }

        return TryFind(stream, space, address, 1, out translation)
            || ((_superpages & 2) != 0 && TryFind(stream, space, address, 2, out translation))
            || ((_superpages & 4) != 0 && TryFind(stream, space, address, 3, out translation));
    }

    /// <summary>Takes in a translation; a faulty one as a page of 4 KiB.</summary>
    public void Insert(RequestStream stream, AddressSpace space, ulong address, Translation translation)
    {
        if (_sets == 0)
            return;
        int level = translation.Level;
        _superpages |= 1 << (level - 1);
        ulong key = Key(address >> translation.Shift, level);
        Span<Entry> set = SetOf(key, space, out uint index);
        ref Entry entry = ref set[WayFor(set, index, key, space.Stamp, stream)];
        if (entry.Stream is { } owner)
            Forget(owner, entry);
        entry.Key = key;
        entry.Stamp = space.Stamp;
        entry.Data = translation.Raw;
        entry.Stream = stream;
    }

    /// <summary>Drops the pages of a range, of all requesters.</summary>
    /// <param name="space">The address space.</param>
    /// <param name="address">The first address; low bits that the mask covers do not matter.</param>
    /// <param name="mask">2^mask pages of 4 KiB.</param>
    public void DropPages(AddressSpace space, ulong address, int mask)
    {
        if (_sets == 0)
            return;
        ulong first = address >> 12 >> mask << mask;
        ulong last = first + ((1ul << mask) - 1);
        for (int level = 1; level <= 3; level++)
        {
            if (level == 1 || (_superpages & (1 << (level - 1))) != 0)
                DropLevel(space, level, first >> (9 * (level - 1)), last >> (9 * (level - 1)));
        }
    }

    private bool TryFind(RequestStream stream, AddressSpace space, ulong address, int level, out Translation translation)
    {
        ulong key = Key(address >> (3 + (9 * level)), level);
        ulong stamp = space.Stamp;
        foreach (ref Entry entry in SetOf(key, space, out _))
        {
            if (entry.Key == key && entry.Stamp == stamp && entry.Stream == stream)
            {
                translation = new(entry.Data);
                return true;
            }
        }

        translation = default;
        return false;
    }

    private void DropLevel(AddressSpace space, int level, ulong first, ulong last)
    {
        // A range of more pages than there are sets can be anywhere: each set once. Else the sets of its pages.
        if (last - first >= _sets)
        {
            for (int index = 0; index < _entries.Length; index++)
                DropIf(ref _entries[index], space.Stamp, level, first, last);
            return;
        }

        for (ulong page = first; page <= last; page++)
        {
            foreach (ref Entry entry in SetOf(Key(page, level), space, out _))
                DropIf(ref entry, space.Stamp, level, first, last);
        }
    }

    private static void DropIf(ref Entry entry, ulong stamp, int level, ulong first, ulong last)
    {
        if (entry.Stamp != stamp || entry.Key < Key(first, level) || entry.Key > Key(last, level))
            return;
        Forget(entry.Stream!, entry);
        entry = default;
    }

    // The front table keeps superpages as pages of 4 KiB and does not know which: it drops everything.
    private static void Forget(RequestStream owner, in Entry entry)
    {
        Translation translation = new(entry.Data);
        if (translation.Level == 1)
            owner.Front.Drop(entry.Key & KeyPageMask);
        else
            owner.Front.DropAll();
    }

    private const ulong KeyPageMask = (1ul << 60) - 1;

    // The page number at its level, and the level: pages of different sizes never have the same key. Level 1 first.
    private static ulong Key(ulong page, int level) => page | ((ulong)level << 60);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Span<Entry> SetOf(ulong key, AddressSpace space, out uint index)
    {
        // Neighbouring pages lie in neighbouring sets, so that a buffer fills the cache evenly.
        ulong place = (key & KeyPageMask) + space.Salt;
        index = (_sets & (_sets - 1)) == 0 ? (uint)place & (_sets - 1) : (uint)(place % _sets);
        return _entries.AsSpan((int)index * _ways, _ways);
    }

    // Where the translation is already, else where nothing is, else where the profile's replacement points.
    private int WayFor(Span<Entry> set, uint index, ulong key, ulong stamp, RequestStream stream)
    {
        int empty = -1;
        for (int way = 0; way < set.Length; way++)
        {
            if (set[way].Key == key && set[way].Stamp == stamp && set[way].Stream == stream)
                return way;
            if (set[way].Stream is null && empty < 0)
                empty = way;
        }

        if (empty >= 0)
            return empty;
        if (_random)
        {
            // xorshift, from a fixed seed: any way, and the same ways in each run.
            _randomState ^= _randomState << 13;
            _randomState ^= _randomState >> 17;
            _randomState ^= _randomState << 5;
            return (int)(_randomState % (uint)_ways);
        }

        int chosen = _nextWay[index];
        _nextWay[index] = (byte)(chosen + 1 == _ways ? 0 : chosen + 1);
        return chosen;
    }

    private struct Entry
    {
        public ulong Key;
        public ulong Stamp;
        public ulong Data;
        public RequestStream? Stream;
    }
}
