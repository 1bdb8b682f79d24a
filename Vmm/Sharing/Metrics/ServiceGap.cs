namespace Dma.Vmm;

/// <summary>The longest time for which somebody who had work was not served.</summary>
public sealed class ServiceGap
{
    private ulong _waitsSinceNs;
    private bool _hasWork;

    /// <summary>The longest so far, in nanoseconds, one that has not ended not counted.</summary>
    public ulong MaxNs { get; private set; }

    /// <summary>Work came: it waits from now on, if it did not before.</summary>
    public void Backlogged(ulong nowNs)
    {
        if (!_hasWork)
            (_hasWork, _waitsSinceNs) = (true, nowNs);
    }

    /// <summary>Somebody was served for a while; what is left waits from its end on.</summary>
    public void Served(ulong startNs, ulong endNs)
    {
        if (_hasWork && startNs > _waitsSinceNs)
            MaxNs = Math.Max(MaxNs, startNs - _waitsSinceNs);
        _waitsSinceNs = endNs;
    }

    /// <summary>No work is left.</summary>
    public void Idle() => _hasWork = false;

    /// <summary>The longest so far, one that has not ended counted as well.</summary>
    /// <param name="nowNs">The time.</param>
    public ulong MaxUntil(ulong nowNs) => _hasWork && nowNs > _waitsSinceNs ? Math.Max(MaxNs, nowNs - _waitsSinceNs) : MaxNs;
}
