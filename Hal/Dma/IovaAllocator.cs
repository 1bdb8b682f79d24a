using Dma.Machine;

namespace Dma.Hal;

/// <summary>Hands out stretches of device addresses in whole 4 KiB pages.</summary>
/// <remarks>First fit. The interrupt range is never handed out: a write to it is an interrupt, whatever the tables say.</remarks>
public sealed class IovaAllocator
{
    private const ulong PageSize = 4096;

    private readonly FreeBitmap _free;
    private readonly ulong _firstPage;

    /// <summary>An allocator with every page of a range free, but for the interrupt range.</summary>
    /// <param name="start">The first address, a multiple of 4096.</param>
    /// <param name="length">Bytes, a multiple of 4096, 4096 to 2^48.</param>
    public IovaAllocator(Iova start, ulong length)
    {
        if (length == 0 || ((start.Value | length) % PageSize) != 0)
            throw new ArgumentException("Device addresses are handed out by whole 4 KiB pages.");
        if (length - 1 > ulong.MaxValue - start.Value)
            throw new ArgumentException("The range goes beyond 2^64.");
        _firstPage = start.Page;
        _free = new(length / PageSize);
        ulong low = Math.Max(_firstPage, InterruptRange.First / PageSize);
        ulong end = Math.Min(_firstPage + _free.Count, (InterruptRange.Last / PageSize) + 1);
        if (low < end)
            _free.Take(low - _firstPage, end - low);
    }

    /// <summary>How many pages are free.</summary>
    public ulong PagesFree => _free.Free;

    /// <summary>Takes pages that lie side by side.</summary>
    /// <param name="pages">How many, at least 1.</param>
    /// <param name="alignment">What the first address is a multiple of: a power of two, at least 4096.</param>
    /// <param name="first">The first address.</param>
    /// <returns><c>false</c>, and nothing taken, where no such stretch is free.</returns>
    public bool TryAllocate(ulong pages, ulong alignment, out Iova first)
    {
        ArgumentOutOfRangeException.ThrowIfZero(pages);
        if (alignment < PageSize || !System.Numerics.BitOperations.IsPow2(alignment))
            throw new ArgumentOutOfRangeException(nameof(alignment), "An alignment is a power of two, at least 4096.");
        bool found = _free.TryTake(pages, alignment / PageSize, _firstPage, out ulong index);
        first = found ? new((_firstPage + index) * PageSize) : default;
        return found;
    }

    /// <summary>Gives pages back.</summary>
    /// <exception cref="InvalidOperationException">One of them is not taken; nothing changed.</exception>
    public void Free(Iova first, ulong pages)
    {
        ulong index = first.Page - _firstPage;
        bool isInterruptRange = first.Value <= InterruptRange.Last && InterruptRange.First < first.Value + (pages * PageSize);
        if (first.PageOffset != 0 || isInterruptRange || !_free.All(index, pages, free: false))
            throw new InvalidOperationException($"Of {pages} pages from {first} not all are taken.");
        _free.Release(index, pages);
    }
}
