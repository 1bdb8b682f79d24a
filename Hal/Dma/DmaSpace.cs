using Dma.Machine;

namespace Dma.Hal;

/// <summary>What all DMA APIs have in common: memory, books of what is mapped, scatter-gather. How a device address comes about is left to the kind.</summary>
/// <remarks>
/// The books catch what drivers do wrong most often: unmapping twice, unmapping something else than was mapped, and
/// freeing memory that the device can still reach. They cost a few table look-ups for each page.
/// </remarks>
public abstract class DmaSpace : IDmaSpace
{
    private static readonly byte[] _zeros = new byte[FrameAllocator.FrameSize];

    private readonly ICpu _cpu;
    private readonly FrameAllocator _frames;

    // A mapping can exist several times where device addresses are memory addresses.
    private readonly Dictionary<DmaMapping, LiveMapping> _mappings = [];
    private readonly Dictionary<ulong, int> _mappingsOfPage = [];
    private readonly Dictionary<ulong, Allocation> _allocations = [];

    /// <summary>A DMA API with nothing mapped.</summary>
    /// <param name="cpu">The processor that the driver runs on.</param>
    /// <param name="frames">Where its memory comes from; may be shared with others.</param>
    protected DmaSpace(ICpu cpu, FrameAllocator frames)
    {
        _cpu = cpu;
        _frames = frames;
    }

    /// <inheritdoc/>
    public DmaLimits Limits
    {
        get;
        set => field = value.IsValid ? value : throw new ArgumentException("A device forms 12 address bits at least, and takes a page.", nameof(value));
    }

        = DmaLimits.None;

    /// <summary>How many mappings are live, those of coherent memory included.</summary>
    public int MappingsLive { get; private set; }

    /// <inheritdoc/>
    public MemoryBuffer Allocate(int length, int alignment = 64)
    {
        if (alignment is < 1 or > FrameAllocator.FrameSize || !int.IsPow2(alignment))
            throw new ArgumentOutOfRangeException(nameof(alignment), "An alignment is a power of two, at most 4096.");
        return AllocatePages(length, isCoherent: false);
    }

    /// <inheritdoc/>
    public DmaRefusal Free(MemoryBuffer buffer) => FreePages(buffer, isCoherent: false);

    /// <inheritdoc/>
    public async ValueTask<CoherentBuffer> AllocateCoherent(int length)
    {
        MemoryBuffer memory = AllocatePages(length, isCoherent: true);
        DmaMapResult result = await Map(memory, DmaDirection.Bidirectional);
        if (result.IsMapped)
            return new(memory, result.Mapping);
        _ = FreePages(memory, isCoherent: true);
        throw new InvalidOperationException($"No device address for {length} bytes of coherent memory: {result.Refusal}.");
    }

    /// <inheritdoc/>
    public async ValueTask<DmaRefusal> FreeCoherent(CoherentBuffer buffer)
    {
        if (!IsAllocated(buffer.Memory, isCoherent: true))
            return DmaRefusal.NotAllocated;
        if (!_mappings.TryGetValue(buffer.Mapping, out LiveMapping live) || live.Pieces[0].Address != buffer.Memory.Address)
            return DmaRefusal.NotMapped;
        if (IsMapped(buffer.Memory, besides: 1))
            return DmaRefusal.StillMapped;
        DmaRefusal refusal = await Unmap(buffer.Mapping);
        return refusal == DmaRefusal.None ? FreePages(buffer.Memory, isCoherent: true) : refusal;
    }

    /// <inheritdoc/>
    public async ValueTask<DmaMapResult> Map(MemoryBuffer buffer, DmaDirection direction)
    {
        if (direction == DmaDirection.None || (direction & ~DmaDirection.Bidirectional) != 0)
            return DmaMapResult.Refused(DmaRefusal.BadDirection);
        return IsMemory(buffer.Address, buffer.Length)
            ? await MapPieces([new(buffer.Address, buffer.Length)], buffer.Length, direction)
            : DmaMapResult.Refused(DmaRefusal.BadRange);
    }

    /// <inheritdoc/>
    public async ValueTask<ScatterGatherResult> MapScatterGather(IReadOnlyList<BufferSegment> segments, DmaDirection direction)
    {
        if (direction == DmaDirection.None || (direction & ~DmaDirection.Bidirectional) != 0)
            return new([], DmaRefusal.BadDirection);
        if (segments.Count == 0 || segments.Any(segment => !IsMemory(segment.Address, segment.Length)))
            return new([], DmaRefusal.BadRange);
        List<DmaMapping> mappings = [];
        foreach (List<BufferSegment> pieces in new SegmentPlan(segments, Limits, CanJoin, FitOf).Segments)
        {
            DmaMapResult result = mappings.Count < Limits.SegmentsMax
                ? await MapPieces(pieces, pieces.Sum(piece => piece.Length), direction)
                : DmaMapResult.Refused(DmaRefusal.Unreachable);
            if (result.IsMapped)
            {
                mappings.Add(result.Mapping);
                continue;
            }

            // All or nothing.
            foreach (DmaMapping mapping in mappings)
            {
                DmaRefusal refusal = await Unmap(mapping);
                if (refusal != DmaRefusal.None)
                    throw new InvalidOperationException($"What was mapped at {mapping.DeviceAddress} a moment ago cannot be unmapped: {refusal}.");
            }

            return new([], result.Refusal);
        }

        return new(mappings, DmaRefusal.None);
    }

    /// <inheritdoc/>
    public DmaRefusal SyncForCpu(DmaMapping mapping, int offset, int length) => CheckSync(mapping, offset, length);

    /// <inheritdoc/>
    public DmaRefusal SyncForDevice(DmaMapping mapping, int offset, int length) => CheckSync(mapping, offset, length);

    /// <inheritdoc/>
    public async ValueTask<DmaRefusal> Unmap(DmaMapping mapping)
    {
        // Out of the books before anyone else can run, so that a second unmap finds nothing; the pages stay
        // marked until the device has really lost them.
        if (!_mappings.TryGetValue(mapping, out LiveMapping live))
            return DmaRefusal.NotMapped;
        SetCount(mapping, live, live.Count - 1);
        DmaRefusal refusal = await Release(mapping);
        if (refusal == DmaRefusal.None)
            Mark(live.Pieces, -1);
        else
            SetCount(mapping, live, _mappings.TryGetValue(mapping, out LiveMapping now) ? now.Count + 1 : 1);
        return refusal;
    }

    /// <summary>Whether pieces that meet at borders of pages can become one segment although they lie apart in memory.</summary>
    protected virtual bool CanJoin => false;

    /// <summary>How much of a piece becomes one segment, by where it lies: device addresses are cut as memory is, by pages.</summary>
    protected virtual int FitOf(GuestPhysicalAddress address, int length) => Limits.Fit(new((ulong)address.PageOffset), length);

    /// <summary>Makes memory reachable as one segment; ranges and direction are already checked.</summary>
    /// <param name="pieces">One piece, or several where <see cref="CanJoin"/>: they meet at borders of pages.</param>
    /// <param name="length">Bytes of all of them.</param>
    /// <param name="direction">What the device may do.</param>
    protected abstract ValueTask<DmaMapResult> Translate(IReadOnlyList<BufferSegment> pieces, int length, DmaDirection direction);

    /// <summary>Ends a mapping that <see cref="Translate"/> made; when it completes, the device cannot use it any more.</summary>
    protected abstract ValueTask<DmaRefusal> Release(DmaMapping mapping);

    private static int PagesOf(int length) => (int)(((long)length + FrameAllocator.FrameSize - 1) / FrameAllocator.FrameSize);

    private async ValueTask<DmaMapResult> MapPieces(IReadOnlyList<BufferSegment> pieces, int length, DmaDirection direction)
    {
        if (length > Limits.SegmentBytesMax)
            return DmaMapResult.Refused(DmaRefusal.Unreachable);
        DmaMapResult result = await Translate(pieces, length, direction);
        if (!result.IsMapped)
            return result;
        if (!Limits.Takes(result.Mapping.DeviceAddress, (ulong)length))
        {
            DmaRefusal refusal = await Release(result.Mapping);
            return refusal == DmaRefusal.None
                ? DmaMapResult.Refused(DmaRefusal.Unreachable)
                : throw new InvalidOperationException($"What was mapped at {result.Mapping.DeviceAddress} a moment ago cannot be unmapped: {refusal}.");
        }

        Enter(result.Mapping, pieces);
        return result;
    }

    private DmaRefusal CheckSync(DmaMapping mapping, int offset, int length)
    {
        if (!_mappings.ContainsKey(mapping))
            return DmaRefusal.NotMapped;
        return offset >= 0 && length >= 1 && offset <= mapping.Length - length ? DmaRefusal.None : DmaRefusal.BadRange;
    }

    private bool IsMemory(GuestPhysicalAddress address, int length)
    {
        if (length < 1 || (ulong)length - 1 > ulong.MaxValue - address.Value)
            return false;
        Span<byte> probe = stackalloc byte[1];
        ulong last = address.Value + (ulong)length - 1;
        for (ulong page = address.Page; page <= last >> 12; page++)
        {
            if (!_cpu.TryRead(new(page << 12), probe))
                return false;
        }

        return true;
    }

    private MemoryBuffer AllocatePages(int length, bool isCoherent)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        int pages = PagesOf(length);
        if (!_frames.TryAllocate((ulong)pages, FrameAllocator.FrameSize, out GuestPhysicalAddress first))
            throw new InvalidOperationException($"No {pages} free frames side by side; {_frames.FramesFree} are free.");
        for (int page = 0; page < pages; page++)
        {
            if (!_cpu.TryWrite(first + ((ulong)page * FrameAllocator.FrameSize), _zeros))
                throw new InvalidOperationException($"The frame allocator names frames from {first} that are no memory.");
        }

        _allocations.Add(first.Value, new(length, isCoherent));
        return new(_cpu, first, length);
    }

    private bool IsAllocated(MemoryBuffer buffer, bool isCoherent) =>
        _allocations.TryGetValue(buffer.Address.Value, out Allocation allocation) && allocation == new Allocation(buffer.Length, isCoherent);

    private DmaRefusal FreePages(MemoryBuffer buffer, bool isCoherent)
    {
        if (!IsAllocated(buffer, isCoherent))
            return DmaRefusal.NotAllocated;
        if (IsMapped(buffer, besides: 0))
            return DmaRefusal.StillMapped;
        _allocations.Remove(buffer.Address.Value);
        _frames.Free(buffer.Address, (ulong)PagesOf(buffer.Length));
        return DmaRefusal.None;
    }

    private bool IsMapped(MemoryBuffer buffer, int besides)
    {
        for (int page = 0; page < PagesOf(buffer.Length); page++)
        {
            if (_mappingsOfPage.GetValueOrDefault(buffer.Address.Page + (ulong)page) > besides)
                return true;
        }

        return false;
    }

    private void Enter(DmaMapping mapping, IReadOnlyList<BufferSegment> pieces)
    {
        int count = _mappings.TryGetValue(mapping, out LiveMapping live) ? live.Count : 0;
        SetCount(mapping, new(pieces, count), count + 1);
        Mark(pieces, 1);
    }

    private void SetCount(DmaMapping mapping, LiveMapping live, int count)
    {
        MappingsLive += count - (_mappings.TryGetValue(mapping, out LiveMapping before) ? before.Count : 0);
        if (count == 0)
            _mappings.Remove(mapping);
        else
            _mappings[mapping] = live with { Count = count };
    }

    private void Mark(IReadOnlyList<BufferSegment> pieces, int change)
    {
        for (int number = 0; number < pieces.Count; number++)
        {
            BufferSegment piece = pieces[number];
            ulong last = (piece.Address.Value + (ulong)piece.Length - 1) >> 12;
            for (ulong page = piece.Address.Page; page <= last; page++)
            {
                int count = _mappingsOfPage.GetValueOrDefault(page) + change;
                if (count == 0)
                    _mappingsOfPage.Remove(page);
                else
                    _mappingsOfPage[page] = count;
            }
        }
    }

    private readonly record struct LiveMapping(IReadOnlyList<BufferSegment> Pieces, int Count);

    private readonly record struct Allocation(int Length, bool IsCoherent);
}
