using System.Numerics;

namespace Dma.Machine;

/// <summary>The translations that a device keeps (PCI Express, ATS, address translation cache), in sets and ways.</summary>
/// <remarks>
/// It holds entries as they came, of any size, each for the requests of one PASID and privilege. What it holds may be older
/// than the tables, until it is told.
/// </remarks>
public sealed class DeviceTlb
{
    private const int SmallShift = 12;
    private const int ShiftsEnd = 64;
    private const uint PasidPresent = 1u << 20;
    private const uint Supervisor = 1u << 21;
    private const uint Valid = 1u << 22;

    private readonly Way[] _all;
    private readonly int[] _nextWay;
    private readonly int[] _countOf = new int[ShiftsEnd];
    private readonly uint _sets;
    private readonly int _ways;
    private readonly bool _random;
    private uint _randomState = 0x9E37_79B9;

    // A bit for each size of which there is an entry, and how many entries are good for all PASIDs.
    private ulong _shifts;
    private int _globals;

    /// <summary>An empty cache.</summary>
    public DeviceTlb(DeviceTlbOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Sets);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Ways);
        _sets = (uint)options.Sets;
        _ways = options.Ways;
        _random = options.Replacement == Replacement.Random;
        _all = new Way[options.Sets * options.Ways];
        _nextWay = new int[options.Sets];
    }

    /// <summary>How many entries it holds.</summary>
    public int Count { get; private set; }

    /// <summary>Looks an address up; asking changes nothing.</summary>
    /// <param name="address">The address.</param>
    /// <param name="attributes">Whose request: its PASID and privilege.</param>
    /// <param name="entry">What is known of it.</param>
    /// <param name="shift">2^shift bytes, aligned, are what the entry speaks of.</param>
    public bool TryFind(Iova address, DmaAttributes attributes, out TranslationEntry entry, out int shift)
    {
        uint owner = OwnerOf(attributes);
        for (ulong left = _shifts; left != 0; left &= left - 1)
        {
            shift = BitOperations.TrailingZeroCount(left);
            if (TryFindAt(address.Value >> shift, shift, owner, out entry))
                return true;
        }

        (entry, shift) = (default, SmallShift);
        return false;
    }

    /// <summary>Takes an entry in, also in place of one for the same range and requests.</summary>
    /// <param name="address">An address that it speaks of.</param>
    /// <param name="attributes">Whose request it answered.</param>
    /// <param name="entry">The entry.</param>
    /// <param name="shift">2^shift bytes, aligned, are what it speaks of; 12 to 63.</param>
    public void Insert(Iova address, DmaAttributes attributes, TranslationEntry entry, int shift)
    {
        uint owner = OwnerOf(attributes);
        ulong page = address.Value >> shift;
        uint index = IndexOf(page);
        Span<Way> set = _all.AsSpan((int)index * _ways, _ways);
        int chosen = -1;
        for (int way = 0; way < set.Length; way++)
        {
            if (set[way].Owner == owner && set[way].Page == page && set[way].Shift == shift)
                chosen = way;
            else if (set[way].Owner == 0 && chosen < 0)
                chosen = way;
        }

        ref Way place = ref set[chosen >= 0 ? chosen : Victim(index)];
        Drop(ref place);
        place = new() { Page = page, Owner = owner, Shift = shift, Entry = entry };
        Count++;
        _shifts |= 1ul << shift;
        _countOf[shift]++;
        if (entry.Global)
            _globals++;
    }

    /// <summary>Forgets what an invalidation names, as far as an entry speaks of any address of it.</summary>
    public void Invalidate(in DeviceTlbInvalidation request)
    {
        foreach (ref Way way in _all.AsSpan())
        {
            if (way.Owner != 0 && Concerns(request, way))
                Drop(ref way);
        }
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        foreach (ref Way way in _all.AsSpan())
            Drop(ref way);
    }

    /// <summary>Whether an invalidation names any address of a range that requests with these attributes use.</summary>
    internal static bool Concerns(in DeviceTlbInvalidation request, Iova address, int shift, DmaAttributes attributes, bool isGlobal) =>
        Concerns(request, new() { Page = address.Value >> shift, Owner = OwnerOf(attributes), Shift = shift, Entry = new() { Global = isGlobal } });

    // An entry that is good for all PASIDs goes with any of them.
    private static bool Concerns(in DeviceTlbInvalidation request, in Way way)
    {
        bool hasPasid = (way.Owner & PasidPresent) != 0;
        if (hasPasid != request.Pasid is not null)
            return false;
        if (hasPasid && !request.AllPasids && !way.Entry.Global && (way.Owner & (PasidPresent - 1)) != request.Pasid!.Value.Value)
            return false;
        int wider = Math.Max(request.Shift, way.Shift);
        return wider >= ShiftsEnd || request.Address.Value >> wider == way.Page << way.Shift >> wider;
    }

    private static uint OwnerOf(DmaAttributes attributes) => attributes.Pasid is { } pasid
        ? Valid | PasidPresent | (attributes.Privileged ? Supervisor : 0) | pasid.Value
        : Valid;

    private bool TryFindAt(ulong page, int shift, uint owner, out TranslationEntry entry)
    {
        foreach (ref readonly Way way in _all.AsSpan((int)IndexOf(page) * _ways, _ways))
        {
            if (way.Page != page || way.Shift != shift)
                continue;
            if (way.Owner != owner && !(_globals != 0 && IsGlobalFor(way, owner)))
                continue;
            entry = way.Entry;
            return true;
        }

        entry = default;
        return false;
    }

    private static bool IsGlobalFor(in Way way, uint owner) =>
        way.Owner != 0 && way.Entry.Global && (way.Owner | (PasidPresent - 1)) == (owner | (PasidPresent - 1));

    private uint IndexOf(ulong page) => (uint)(page % _sets);

    private void Drop(ref Way way)
    {
        if (way.Owner == 0)
            return;
        Count--;
        if (--_countOf[way.Shift] == 0)
            _shifts &= ~(1ul << way.Shift);
        if (way.Entry.Global)
            _globals--;
        way = default;
    }

    private int Victim(uint index)
    {
        if (_random)
        {
            // xorshift, from a fixed seed: any way, and the same ways in each run.
            _randomState ^= _randomState << 13;
            _randomState ^= _randomState >> 17;
            _randomState ^= _randomState << 5;
            return (int)(_randomState % (uint)_ways);
        }

        int chosen = _nextWay[index];
        _nextWay[index] = (chosen + 1) % _ways;
        return chosen;
    }

    private struct Way
    {
        public ulong Page;
        public TranslationEntry Entry;
        public uint Owner;
        public int Shift;
    }
}
