using Dma.Machine;

namespace Dma.Hal;

/// <summary>Hands out 4 KiB frames of a range of memory, alone or several that lie side by side.</summary>
/// <remarks>
/// It keeps books only: what the frames hold is left to whoever takes them, and whether memory is behind them is the
/// business of whoever names the range. First fit: the same requests give the same frames.
/// </remarks>
public sealed class FrameAllocator
{
    /// <summary>Bytes in a frame.</summary>
    public const int FrameSize = 4096;

    private readonly FreeBitmap _free;

    /// <summary>An allocator with every frame of a range free.</summary>
    /// <param name="start">The first byte, a multiple of 4096.</param>
    /// <param name="length">Bytes, a multiple of 4096, 4096 to 2^48.</param>
    public FrameAllocator(GuestPhysicalAddress start, ulong length)
    {
        if (length == 0 || ((start.Value | length) % FrameSize) != 0)
            throw new ArgumentException("Frames are whole 4 KiB pages.");
        if (length - 1 > ulong.MaxValue - start.Value)
            throw new ArgumentException("The range goes beyond 2^64.");
        Start = start;
        Length = length;
        _free = new(length / FrameSize);
    }

    /// <summary>The first byte of the range.</summary>
    public GuestPhysicalAddress Start { get; }

    /// <summary>Bytes in the range.</summary>
    public ulong Length { get; }

    /// <summary>How many frames there are.</summary>
    public ulong FramesTotal => _free.Count;

    /// <summary>How many of them are free.</summary>
    public ulong FramesFree => _free.Free;

    /// <summary>Takes one frame; <c>false</c> when none is left.</summary>
    public bool TryAllocate(out GuestPhysicalAddress frame) => TryAllocate(1, FrameSize, out frame);

    /// <summary>Takes frames that lie side by side.</summary>
    /// <param name="count">Frames, at least 1.</param>
    /// <param name="alignment">What the first byte is a multiple of: a power of two, at least 4096.</param>
    /// <param name="first">The first byte of the first frame.</param>
    /// <returns><c>false</c>, and nothing taken, where no such stretch is free.</returns>
    public bool TryAllocate(ulong count, ulong alignment, out GuestPhysicalAddress first)
    {
        ArgumentOutOfRangeException.ThrowIfZero(count);
        if (alignment < FrameSize || !System.Numerics.BitOperations.IsPow2(alignment))
            throw new ArgumentOutOfRangeException(nameof(alignment), "An alignment is a power of two, at least 4096.");
        bool found = _free.TryTake(count, alignment / FrameSize, Start.Page, out ulong index);
        first = found ? new(Start.Value + (index * FrameSize)) : default;
        return found;
    }

    /// <summary>Takes certain frames, such as those that something else already lies in.</summary>
    /// <param name="first">A frame of the range.</param>
    /// <param name="count">Frames, at least 1.</param>
    /// <returns><c>false</c>, and nothing taken, where one is taken or not of the range.</returns>
    public bool TryReserve(GuestPhysicalAddress first, ulong count)
    {
        if (!IsIn(first) || !_free.All(IndexOf(first), count, free: true))
            return false;
        _free.Take(IndexOf(first), count);
        return true;
    }

    /// <summary>Whether a frame of the range is taken.</summary>
    public bool IsAllocated(GuestPhysicalAddress frame) => IsIn(frame) && !_free.IsFree(IndexOf(frame));

    /// <summary>Gives frames back.</summary>
    /// <exception cref="InvalidOperationException">One of them is not taken; nothing changed.</exception>
    public void Free(GuestPhysicalAddress first, ulong count = 1)
    {
        if (!IsIn(first) || !_free.All(IndexOf(first), count, free: false))
            throw new InvalidOperationException($"Of {count} frames from {first} not all are taken.");
        _free.Release(IndexOf(first), count);
    }

    private bool IsIn(GuestPhysicalAddress frame) => frame.PageOffset == 0 && frame >= Start && frame.Value - Start.Value < Length;

    private ulong IndexOf(GuestPhysicalAddress frame) => (frame - Start) / FrameSize;
}
