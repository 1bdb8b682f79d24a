using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The cache of context entries by requester, in sets and ways.</summary>
/// <remarks>The entries themselves hang on their streams of requests; here is the order that decides which are kept.</remarks>
internal sealed class ContextCache(HardwareProfile profile)
{
    private readonly RequestStream?[] _streams = new RequestStream?[profile.ContextCacheSets * profile.ContextCacheWays];
    private readonly int[] _nextWay = new int[profile.ContextCacheSets];
    private readonly int _ways = profile.ContextCacheWays;

    /// <summary>Takes a legacy context in; another one may have to go.</summary>
    /// <returns><c>false</c> on a unit without the cache.</returns>
    public bool Insert(RequestStream stream, in ContextInfo context)
    {
        if (!TryPlace(stream))
            return false;
        stream.Cache(context);
        return true;
    }

    /// <summary>Takes a context of scalable mode in; another one may have to go.</summary>
    public void Insert(RequestStream stream, in ScalableContext context)
    {
        if (TryPlace(stream))
            stream.Cache(context);
    }

    /// <summary>Drops everything.</summary>
    public void DropAll() => DropWhere(static (_, _) => true, default);

    /// <summary>Drops the contexts of a domain; those that are faulty belong to domain 0, those of scalable mode to any.</summary>
    public void DropDomain(DomainId domain) => DropWhere(static (stream, domain) => stream.IsOf(domain), domain);

    /// <summary>Drops the context of a requester.</summary>
    /// <param name="source">The requester.</param>
    /// <param name="domain">The domain that it must belong to; null where any will do.</param>
    public void DropDevice(SourceId source, DomainId? domain)
    {
        int index = _nextWay.Length == 0 ? 0 : source.Value % _nextWay.Length;
        foreach (ref RequestStream? stream in _streams.AsSpan(index * _ways, _nextWay.Length == 0 ? 0 : _ways))
        {
            if (stream is null || stream.Port.Source != source || (domain is { } only && !stream.IsOf(only)))
                continue;
            stream.Uncache();
            stream = null;
        }
    }

    // Makes room for the context of a requester; there is none on a unit without the cache.
    private bool TryPlace(RequestStream stream)
    {
        if (_streams.Length == 0)
            return false;
        int index = stream.Port.Source.Value % _nextWay.Length;
        Span<RequestStream?> set = _streams.AsSpan(index * _ways, _ways);
        int way = set.IndexOf(stream);
        if (way < 0)
            way = set.IndexOf((RequestStream?)null);
        if (way < 0)
        {
            way = _nextWay[index];
            _nextWay[index] = (way + 1) % _ways;
            set[way]!.Uncache();
        }

        set[way] = stream;
        return true;
    }

    private void DropWhere(Func<RequestStream, DomainId, bool> matches, DomainId domain)
    {
        foreach (ref RequestStream? stream in _streams.AsSpan())
        {
            if (stream is null || !matches(stream, domain))
                continue;
            stream.Uncache();
            stream = null;
        }
    }
}
