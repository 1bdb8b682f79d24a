namespace Dma.Iommu;

/// <summary>The paging-structure cache as one stage of a walk uses it; <c>default</c> where there is none.</summary>
/// <param name="cache">The cache.</param>
/// <param name="space">Whose tables they are.</param>
internal readonly struct CachedTables(PagingCache cache, AddressSpace space)
{
    private readonly PagingCache? _cache = cache.IsAbsent ? null : cache;

    /// <inheritdoc cref="PagingCache.TryFind"/>
    public bool TryFind(ulong address, int top, out int level, out ulong data)
    {
        level = 0;
        data = 0;
        if (_cache is null || !_cache.TryFind(space, address, top, out level, out data))
            return false;
        _cache.Tracker?.Use(CacheKind.PagingStructures, space.Stamp, PagingCache.KeyOf(address, level + 1));
        return true;
    }

    /// <inheritdoc cref="PagingCache.TryFindAt"/>
    public bool TryFindAt(ulong address, int level, out ulong data)
    {
        data = 0;
        if (_cache is null || !_cache.TryFindAt(space, address, level, out data))
            return false;
        _cache.Tracker?.Use(CacheKind.PagingStructures, space.Stamp, PagingCache.KeyOf(address, level));
        return true;
    }

    /// <inheritdoc cref="PagingCache.Insert"/>
    public void Learn(ulong address, int level, ulong data)
    {
        if (_cache is null)
            return;
        _cache.Insert(space, address, level, data);
        if (_cache.Tracker is not null)
            _cache.Remember(space, address, level, data);
    }
}
