using System.Runtime.CompilerServices;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The cache of translations, in sets and ways, tagged with the tenant: requester and address space.</summary>
/// <remarks>
/// What it holds may be older than the tables in memory, until software invalidates it: that is the
/// architecture. An entry is found by page and address space alone, whoever the requester is, so an
/// invalidation of pages looks at the sets where they can be and nowhere else; whole address spaces go with the
/// numbers of their tenants. Whatever leaves here leaves the front table of its requester too.
/// <code>
///   set   +-----+------+-----+------+-----+------+-----+------+
///         | tag | data | tag | data | tag | data | tag | data |    four ways are one line of the processor's cache
///         +-----+------+-----+------+-----+------+-----+------+
/// </code>
/// </remarks>
internal sealed class Iotlb
{
    // In the data: the front table of the requester may hold the page too. Translations leave the bit free.
    private const ulong InFront = 1ul << 63;

    private readonly Tenants _tenants;
    private readonly Way[] _all;
    private readonly byte[] _nextWay;
    private readonly uint _sets;
    private readonly int _ways;
    private readonly bool _random;
    private uint _randomState = 0x9E37_79B9;

    // Levels of which an entry was ever put in: bit 1 for 4 KiB, bit 2 for 2 MiB, bit 3 for 1 GiB.
    private int _levels;

    public Iotlb(HardwareProfile profile, Tenants tenants)
    {
        _tenants = tenants;
        _sets = (uint)profile.IotlbSets;
        _ways = profile.IotlbWays;
        _random = profile.Replacement == Replacement.Random;
        _all = new Way[profile.IotlbSets * profile.IotlbWays];
        _nextWay = new byte[profile.IotlbSets];
    }

    /// <summary>Whether there is none.</summary>
    public bool IsAbsent => _sets == 0;

    /// <summary>Looks an address up: the one place where a hit is decided.</summary>
    /// <remarks>What is found may go to the front table of the requester; what is not found may not.</remarks>
    /// <param name="tenant">Whose request, in the address space that it uses now.</param>
    /// <param name="address">The input address.</param>
    /// <returns>What is cached; a translation without page, rights and fault where nothing is.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Translation Find(Tenant tenant, ulong address)
    {
        Translation found = _sets != 0 ? FindAt(tenant, address, 1) : default;
        return _levels > 2 && found == default ? FindSuperpage(tenant, address) : found;
    }

    /// <summary>Whether a translation is cached for an address; asking changes nothing.</summary>
    public bool Holds(Tenant tenant, ulong address, Translation translation)
    {
        ulong page = address >> translation.Shift;
        ulong tag = tenant.Number | IotlbTag.Place(page, translation.Level);
        foreach (Way way in _sets != 0 ? SetOf(IndexOf(page + tenant.Salt)) : [])
        {
            if (way.Tag == tag)
                return (way.Data & ~InFront) == translation.Raw;
        }

        return false;
    }

    /// <summary>Takes in a translation, also in place of one for the same page; a faulty one as a page of 4 KiB.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Insert(Tenant tenant, ulong address, Translation translation)
    {
        if (_sets == 0)
            return;
        _levels |= 1 << translation.Level;
        ulong page = address >> translation.Shift;
        ulong tag = tenant.Number | IotlbTag.Place(page, translation.Level);
        uint index = IndexOf(page + tenant.Salt);
        Span<Way> set = SetOf(index);
        int chosen = -1;
        for (int way = 0; way < set.Length; way++)
        {
            if (set[way].Tag == tag)
                chosen = way;
            else if (set[way].Tag == 0 && chosen < 0)
                chosen = way;
        }

        Put(ref set[chosen >= 0 ? chosen : Victim(index)], tag, translation);
    }

    /// <summary>Takes in a translation of a page that was looked for in vain, in a turn of its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void InsertMissing(Tenant tenant, ulong address, Translation translation)
    {
        if (translation.Level == 1)
            InsertMissing(tenant, address >> 12, 1, translation);
        else
            Insert(tenant, address, translation);
    }

    /// <summary>Drops the pages of a range, of all requesters.</summary>
    /// <param name="space">The address space.</param>
    /// <param name="address">The first address; low bits that the mask covers do not matter.</param>
    /// <param name="mask">2^mask pages of 4 KiB, fewer than there can be.</param>
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

    /// <summary>Drops everything.</summary>
    public void Clear() => Array.Clear(_all);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private Translation FindSuperpage(Tenant tenant, ulong address)
    {
        Translation found = (_levels & 4) != 0 ? FindAt(tenant, address, 2) : default;
        return found == default && (_levels & 8) != 0 ? FindAt(tenant, address, 3) : found;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Translation FindAt(Tenant tenant, ulong address, int level)
    {
        ulong page = address >> (3 + (9 * level));
        ulong tag = tenant.Number | IotlbTag.Place(page, level);
        foreach (ref Way way in SetOf(IndexOf(page + tenant.Salt)))
        {
            if (way.Tag != tag)
                continue;
            ulong data = way.Data;
            way.Data = data | InFront;
            return new(data & ~InFront);
        }

        return default;
    }

    private void DropLevel(AddressSpace space, int level, ulong first, ulong last)
    {
        // A range of more pages than there are sets can be anywhere: each set once. Else the sets of its pages.
        if (last - first >= _sets)
        {
            foreach (ref Way way in _all.AsSpan())
                DropIf(ref way, space, level, first, last);
            return;
        }

        for (ulong page = first; page <= last; page++)
        {
            foreach (ref Way way in SetOf(IndexOf(page + space.Salt)))
                DropIf(ref way, space, level, first, last);
        }
    }

    private void DropIf(ref Way way, AddressSpace space, int level, ulong first, ulong last)
    {
        ulong place = IotlbTag.PlaceOf(way.Tag);
        if (place < IotlbTag.Place(first, level) || place > IotlbTag.Place(last, level))
            return;

        // All requesters of the address space: who they are does not matter.
        if (_tenants.OwnerOf(way.Tag)?.Space != space)
            return;
        Forget(way);
        way = default;
    }

    // Nothing may stay in front of the cache that the cache does not hold.
    private void Forget(in Way way) =>
        _tenants.OwnerOf(way.Tag)?.Stream.Front.Drop(IotlbTag.PageOf(way.Tag), new Translation(way.Data).Level);

    // Neighbouring pages lie in neighbouring sets, so that a buffer fills the cache evenly.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private uint IndexOf(ulong place) => (_sets & (_sets - 1)) == 0 ? (uint)place & (_sets - 1) : (uint)(place % _sets);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Span<Way> SetOf(uint index) => _all.AsSpan((int)index * _ways, _ways);

    // The place depends on nothing but the address where the level is a constant, so that a processor that reads the
    // last table still goes on to the next request meanwhile.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void InsertMissing(Tenant tenant, ulong page, int level, Translation translation)
    {
        uint index = IndexOf(page + tenant.Salt);
        Put(ref SetOf(index)[Victim(index)], tenant.Number | IotlbTag.Place(page, level), translation);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Put(ref Way way, ulong tag, Translation translation)
    {
        if ((way.Data & InFront) != 0)
            Forget(way);
        way.Tag = tag;
        way.Data = translation.Raw;
    }

    // Where the profile's replacement points.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Victim(uint index)
    {
        if (_random)
            return AnyWay();
        ref byte next = ref _nextWay[index];
        int chosen = next;
        next = (byte)(chosen + 1 == _ways ? 0 : chosen + 1);
        return chosen;
    }

    private int AnyWay()
    {
        // xorshift, from a fixed seed: any way, and the same ways in each run.
        _randomState ^= _randomState << 13;
        _randomState ^= _randomState >> 17;
        _randomState ^= _randomState << 5;
        return (int)(_randomState % (uint)_ways);
    }

    private struct Way
    {
        public ulong Tag;
        public ulong Data;
    }
}
