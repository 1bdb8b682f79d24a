using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The cache of PASID entries by requester and PASID, in sets and ways.</summary>
/// <remarks>A stream is ready for requests without PASID as long as what it took from here is still here.</remarks>
internal sealed class PasidCache(HardwareProfile profile)
{
    private readonly Entry[] _entries = new Entry[profile.PasidCacheSets * profile.PasidCacheWays];
    private readonly int[] _nextWay = new int[profile.PasidCacheSets];
    private readonly int _ways = profile.PasidCacheWays;

    /// <summary>Whether there is none.</summary>
    public bool IsAbsent => _entries.Length == 0;

    /// <summary>Looks a PASID up: the one place where a hit is decided.</summary>
    /// <param name="stream">Whose request.</param>
    /// <param name="pasid">The PASID, of the request or in place of one.</param>
    /// <param name="info">What its entries said when they were read.</param>
    public bool TryFind(RequestStream stream, Pasid pasid, out PasidInfo info)
    {
        if (!IsAbsent)
        {
            foreach (ref Entry entry in SetOf(stream, pasid, out _))
            {
                if (entry.Stream != stream || entry.Info.Pasid != pasid)
                    continue;
                info = entry.Info;
                return true;
            }
        }

        info = default;
        return false;
    }

    /// <summary>Takes in what was looked for in vain; something else may have to go.</summary>
    public void Insert(RequestStream stream, in PasidInfo info)
    {
        if (IsAbsent)
            return;
        Span<Entry> set = SetOf(stream, info.Pasid, out int index);
        int chosen = 0;
        while (chosen < set.Length && set[chosen].Stream is not null)
            chosen++;
        if (chosen == set.Length)
        {
            chosen = _nextWay[index];
            _nextWay[index] = (chosen + 1) % _ways;
            Drop(ref set[chosen]);
        }

        set[chosen] = new() { Stream = stream, Info = info };
    }

    /// <summary>Drops everything.</summary>
    public void DropAll() => DropWhere(null, null);

    /// <summary>Drops the entries of a domain; those that are faulty belong to domain 0.</summary>
    public void DropDomain(DomainId domain) => DropWhere(domain, null);

    /// <summary>Drops the entries of a PASID in a domain, of all requesters.</summary>
    public void DropPasid(DomainId domain, Pasid pasid) => DropWhere(domain, pasid);

    private static void Drop(ref Entry entry)
    {
        entry.Stream!.Release();
        entry = default;
    }

    private void DropWhere(DomainId? domain, Pasid? pasid)
    {
        foreach (ref Entry entry in _entries.AsSpan())
        {
            if (entry.Stream is not null && (domain ?? entry.Info.Domain) == entry.Info.Domain && (pasid ?? entry.Info.Pasid) == entry.Info.Pasid)
                Drop(ref entry);
        }
    }

    private Span<Entry> SetOf(RequestStream stream, Pasid pasid, out int index)
    {
        // Many requesters have the same few PASIDs, and some have many.
        index = (int)((stream.Port.Source.Value + pasid.Value) % (uint)_nextWay.Length);
        return _entries.AsSpan(index * _ways, _ways);
    }

    private struct Entry
    {
        public RequestStream? Stream;
        public PasidInfo Info;
    }
}
