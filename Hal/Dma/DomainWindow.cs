using System.Numerics;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Device addresses of one domain: handed out with memory behind them, and taken back strictly or deferred.</summary>
/// <remarks>
/// <code>
///   strict      Unmap: clear entries, invalidate, wait; address and memory are free when it returns
///   deferred    Unmap: clear entries                    address and memory wait
///               Flush: invalidate once for all, wait;   address and memory of all are free
/// </code>
/// A flush comes when too many stretches wait, when the oldest has waited long enough, when addresses run out, or when
/// somebody asks. Until then a device may still use what the unit has cached: so nothing else gets the address, and the
/// owner of the memory is not told that it is free.
/// </remarks>
/// <typeparam name="T">What the owner needs to know when a stretch is free.</typeparam>
public sealed class DomainWindow<T>
{
    private const ulong PageSize = FrameAllocator.FrameSize;
    private const ulong Superpage = 2 << 20;

    private readonly RemappingDomain _domain;
    private readonly IovaAllocator _addresses;
    private readonly EventLoop _loop;
    private readonly MappingOptions _options;
    private readonly Action<T> _freed;
    private readonly Queue<Waiting> _waiting = new();
    private readonly Gate _flushes = new();
    private ulong _lastNumber;
    private bool _isTimed;
    private bool _isClosed;

    /// <summary>A window with nothing mapped.</summary>
    /// <param name="domain">The domain.</param>
    /// <param name="addresses">Its device addresses; devices that share the domain share them too.</param>
    /// <param name="loop">Time.</param>
    /// <param name="options">Invalidations wait under <see cref="MappingPolicy.Deferred"/>, and under no other policy.</param>
    /// <param name="freed">Told when no device reaches a stretch any more.</param>
    public DomainWindow(RemappingDomain domain, IovaAllocator addresses, EventLoop loop, MappingOptions options, Action<T> freed) =>
        (_domain, _addresses, _loop, _options, _freed) = (domain, addresses, loop, options, freed);

    /// <summary>How many stretches wait for their invalidation.</summary>
    public int WaitingCount => _waiting.Count;

    /// <summary>Maps memory at addresses that the device can use, side by side.</summary>
    /// <param name="runs">The memory, at least one run.</param>
    /// <param name="direction">What the device may do.</param>
    /// <param name="limits">What the device can reach.</param>
    /// <param name="offset">Where in the first page the device's segment begins, 0 to 4095.</param>
    /// <param name="length">Bytes of the segment.</param>
    /// <returns>
    /// The first address, or why nothing changed: <see cref="DmaRefusal.Unreachable"/> where no free address fits the limits,
    /// <see cref="DmaRefusal.Exhausted"/>, or what the domain refuses.
    /// </returns>
    public async ValueTask<(DmaRefusal Refusal, Iova First)> Map(
        IReadOnlyList<MemoryRun> runs, DmaDirection direction, DmaLimits limits, int offset, ulong length)
    {
        ulong pages = 0;
        for (int number = 0; number < runs.Count; number++)
            pages += runs[number].Length / PageSize;
        DmaRefusal refusal = TryTake(runs, pages, limits, offset, length, out Iova first);
        if (refusal == DmaRefusal.Exhausted && _waiting.Count != 0)
        {
            await Flush();
            refusal = TryTake(runs, pages, limits, offset, length, out first);
        }

        if (refusal != DmaRefusal.None)
            return (refusal, default);
        ulong done = 0;
        for (int number = 0; number < runs.Count; number++)
        {
            MemoryRun run = runs[number];
            refusal = await _domain.Map(first + done, run.Start, run.Length, direction);
            if (refusal != DmaRefusal.None)
            {
                DmaRefusal stuck = done == 0 ? DmaRefusal.None : await _domain.Unmap(first, done);
                if (stuck != DmaRefusal.None)
                    throw new InvalidOperationException($"What was mapped at {first} a moment ago cannot be unmapped: {stuck}.");
                _addresses.Free(first, pages);
                return (refusal, default);
            }

            done += run.Length;
        }

        return (DmaRefusal.None, first);
    }

    /// <summary>Takes a stretch back.</summary>
    /// <param name="first">As <see cref="Map"/> returned it.</param>
    /// <param name="pages">All of its pages.</param>
    /// <param name="owner">What the owner is told when no device reaches it any more: before this returns, or later.</param>
    /// <returns><see cref="DmaRefusal.None"/>, or why nothing changed.</returns>
    public async ValueTask<DmaRefusal> Unmap(Iova first, ulong pages, T owner)
    {
        if (_options.Policy != MappingPolicy.Deferred)
        {
            DmaRefusal refusal = await _domain.Unmap(first, pages * PageSize);

            // Only now may another mapping have the addresses: nothing cached leads to the old one any more.
            if (refusal == DmaRefusal.None)
                Forget(new(0, 0, first, pages, owner));
            return refusal;
        }

        DmaRefusal deferred = await _domain.UnmapDeferred(first, pages * PageSize);
        if (deferred != DmaRefusal.None)
            return deferred;
        _waiting.Enqueue(new(++_lastNumber, _loop.NowNs, first, pages, owner));
        if (_waiting.Count >= _options.WaitingMax)
            await Flush();
        else
            StartTimer();
        return DmaRefusal.None;
    }

    /// <summary>Invalidates all that waits; when it completes, no device reaches any of it.</summary>
    public async ValueTask Flush()
    {
        await _flushes.Enter();
        try
        {
            // What is unmapped while the unit works waits for the next one.
            ulong number = _lastNumber;
            if (_isClosed || _waiting.Count == 0)
                return;
            await _domain.Flush();
            while (_waiting.TryPeek(out Waiting waiting) && waiting.Number <= number)
                Forget(_waiting.Dequeue());
        }
        finally
        {
            _flushes.Leave();
        }
    }

    /// <summary>Ends its use: nothing waits any more, and the owner is told of nothing. No device reaches the domain now.</summary>
    public async ValueTask Close()
    {
        await _flushes.Enter();
        _isClosed = true;
        _waiting.Clear();
        _flushes.Leave();
    }

    private void Forget(Waiting gone)
    {
        _addresses.Free(gone.First, gone.Pages);
        _freed(gone.Owner);
    }

    private void StartTimer()
    {
        if (_isTimed)
            return;
        _isTimed = true;
        _loop.Start(FlushInTime);
    }

    private async Task FlushInTime()
    {
        while (_waiting.TryPeek(out Waiting oldest))
        {
            ulong waitedNs = _loop.NowNs - oldest.SinceNs;
            if (waitedNs < _options.WaitingNsMax)
                await _loop.Delay(_options.WaitingNsMax - waitedNs);
            else
                await Flush();
        }

        _isTimed = false;
    }

    private DmaRefusal TryTake(IReadOnlyList<MemoryRun> runs, ulong pages, DmaLimits limits, int offset, ulong length, out Iova first)
    {
        // A stretch that could hold a superpage begins where memory does in its own, so that one can be used.
        bool isLarge = runs.Count == 1 && runs[0].Length >= Superpage;
        ulong lead = isLarge ? (runs[0].Start.Value & (Superpage - 1)) / PageSize : 0;
        ulong alignment = isLarge ? Superpage : PageSize;

        // Aligned to its size, a stretch crosses no boundary that is as large.
        if (limits.Boundary != 0 && length <= limits.Boundary)
            (alignment, lead) = (BitOperations.RoundUpToPowerOf2(Math.Min(pages * PageSize, limits.Boundary)), 0);
        if (!_addresses.TryAllocate(pages + lead, alignment, out Iova stretch))
        {
            first = default;
            return DmaRefusal.Exhausted;
        }

        if (lead != 0)
            _addresses.Free(stretch, lead);
        first = stretch + (lead * PageSize);
        if (limits.Takes(first + (ulong)offset, length))
            return DmaRefusal.None;
        _addresses.Free(first, pages);
        return DmaRefusal.Unreachable;
    }

    private readonly record struct Waiting(ulong Number, ulong SinceNs, Iova First, ulong Pages, T Owner);
}
