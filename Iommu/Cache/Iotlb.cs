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
    private readonly List<RequestStream> _streams;
    private readonly Entry[] _entries;
    private readonly byte[] _nextWay;
    private readonly uint _sets;
    private readonly int _ways;
    private readonly bool _random;
    private uint _randomState = 0x9E37_79B9;

    // Levels of which an entry was ever put in: bit 1 for 4 KiB, bit 2 for 2 MiB, bit 3 for 1 GiB.
    private int _levels;

    public Iotlb(HardwareProfile profile, List<RequestStream> streams)
    {
        _streams = streams;
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
    /// <returns>What is cached; a translation without page, rights and fault where nothing is.</returns>
    public Translation Find(RequestStream stream, AddressSpace space, ulong address)
    {
        if (_sets == 0)
            return default;
        Translation found = FindAt(stream, space, address, 1);
        if (_levels > 2 && found == default)
            found = FindSuperpage(stream, space, address);
        return found;
    }

    /// <summary>Takes in a translation; a faulty one as a page of 4 KiB.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Insert(RequestStream stream, AddressSpace space, ulong address, Translation translation)
    {
        if (_sets == 0)
            return;
        int level = translation.Level;
        _levels |= 1 << level;
        ulong key = Key(address >> translation.Shift, level);
        Span<Entry> set = SetOf(key, space, out uint index);
        ulong tag = TagOf(stream, space);
        ref Entry entry = ref set[WayFor(set, index, key, tag)];
        if (entry.Tag != 0)
            Forget(entry);
        entry.Key = key;
        entry.Tag = tag;
        entry.Data = translation.Raw;
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
            if (level == 1 || (_levels & (1 << level)) != 0)
                DropLevel(space, level, first >> (9 * (level - 1)), last >> (9 * (level - 1)));
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private Translation FindSuperpage(RequestStream stream, AddressSpace space, ulong address)
    {
        Translation found = (_levels & 4) != 0 ? FindAt(stream, space, address, 2) : default;
        return found == default && (_levels & 8) != 0 ? FindAt(stream, space, address, 3) : found;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Translation FindAt(RequestStream stream, AddressSpace space, ulong address, int level)
    {
        ulong key = Key(address >> (3 + (9 * level)), level);
        ulong tag = TagOf(stream, space);
        foreach (ref Entry entry in SetOf(key, space, out _))
        {
            if (entry.Key == key && entry.Tag == tag)
                return new(entry.Data);
        }

        return default;
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

    private void DropIf(ref Entry entry, ulong stamp, int level, ulong first, ulong last)
    {
        // All requesters of the address space: their numbers do not matter.
        if ((entry.Tag ^ stamp) >> RequestStream.NumberBits != 0 || entry.Key < Key(first, level) || entry.Key > Key(last, level))
            return;
        Forget(entry);
        entry = default;
    }

    // Nothing may stay in front of the cache that the cache does not hold.
    private void Forget(in Entry entry)
    {
        FrontTable front = _streams[(int)(entry.Tag & ((1 << RequestStream.NumberBits) - 1))].Front;
        front.Drop(entry.Key & KeyPageMask, new Translation(entry.Data).Level);
    }

    private static ulong TagOf(RequestStream stream, AddressSpace space) => space.Stamp | (uint)stream.Number;

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
    private int WayFor(Span<Entry> set, uint index, ulong key, ulong tag)
    {
        int empty = -1;
        for (int way = 0; way < set.Length; way++)
        {
            if (set[way].Key == key && set[way].Tag == tag)
                return way;
            if (set[way].Tag == 0 && empty < 0)
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

    // The tag is the stamp of the address space with the number of the stream in its low bits; 0 is an empty way.
    private struct Entry
    {
        public ulong Key;
        public ulong Tag;
        public ulong Data;
    }
}
