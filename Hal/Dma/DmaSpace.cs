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
        if (!_mappings.TryGetValue(buffer.Mapping, out LiveMapping live) || live.Memory != buffer.Memory.Address)
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
        if (!IsMemory(buffer.Address, buffer.Length))
            return DmaMapResult.Refused(DmaRefusal.BadRange);
        DmaMapResult result = await Translate(buffer.Address, buffer.Length, direction);
        if (result.IsMapped)
            Enter(result.Mapping, buffer.Address);
        return result;
    }

    /// <inheritdoc/>
    public async ValueTask<ScatterGatherResult> MapScatterGather(IReadOnlyList<BufferSegment> segments, DmaDirection direction)
    {
        if (segments.Count == 0 || segments.Any(segment => segment.Length < 1))
            return new([], DmaRefusal.BadRange);
        List<DmaMapping> mappings = [];
        for (int next = 0; next < segments.Count;)
        {
            BufferSegment piece = MergeFrom(segments, ref next);
            DmaMapResult result = await Map(new(_cpu, piece.Address, piece.Length), direction);
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
    public async ValueTask<DmaRefusal> Unmap(DmaMapping mapping)
    {
        // Out of the books before anyone else can run, so that a second unmap finds nothing; the pages stay
        // marked until the device has really lost them.
        if (!_mappings.TryGetValue(mapping, out LiveMapping live))
            return DmaRefusal.NotMapped;
        SetCount(mapping, live, live.Count - 1);
        DmaRefusal refusal = await Release(mapping);
        if (refusal == DmaRefusal.None)
            Mark(live.Memory, mapping.Length, -1);
        else
            SetCount(mapping, live, _mappings.TryGetValue(mapping, out LiveMapping now) ? now.Count + 1 : 1);
        return refusal;
    }

    /// <summary>Makes memory reachable; range and direction are already checked.</summary>
    protected abstract ValueTask<DmaMapResult> Translate(GuestPhysicalAddress address, int length, DmaDirection direction);

    /// <summary>Ends a mapping that <see cref="Translate"/> made; when it completes, the device cannot use it any more.</summary>
    protected abstract ValueTask<DmaRefusal> Release(DmaMapping mapping);

    // The piece at `next` together with all that follow it without a gap, as far as one length can say.
    private static BufferSegment MergeFrom(IReadOnlyList<BufferSegment> segments, ref int next)
    {
        BufferSegment piece = segments[next++];
        while (next < segments.Count
            && segments[next].Address.Value == unchecked(piece.Address.Value + (ulong)piece.Length)
            && segments[next].Length <= int.MaxValue - piece.Length)
        {
            piece = piece with { Length = piece.Length + segments[next++].Length };
        }

        return piece;
    }

    private static int PagesOf(int length) => (int)(((long)length + FrameAllocator.FrameSize - 1) / FrameAllocator.FrameSize);

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

    private void Enter(DmaMapping mapping, GuestPhysicalAddress memory)
    {
        int count = _mappings.TryGetValue(mapping, out LiveMapping live) ? live.Count : 0;
        SetCount(mapping, new(memory, count), count + 1);
        Mark(memory, mapping.Length, 1);
    }

    private void SetCount(DmaMapping mapping, LiveMapping live, int count)
    {
        MappingsLive += count - (_mappings.TryGetValue(mapping, out LiveMapping before) ? before.Count : 0);
        if (count == 0)
            _mappings.Remove(mapping);
        else
            _mappings[mapping] = live with { Count = count };
    }

    private void Mark(GuestPhysicalAddress memory, int length, int change)
    {
        ulong last = (memory.Value + (ulong)length - 1) >> 12;
        for (ulong page = memory.Page; page <= last; page++)
        {
            int count = _mappingsOfPage.GetValueOrDefault(page) + change;
            if (count == 0)
                _mappingsOfPage.Remove(page);
            else
                _mappingsOfPage[page] = count;
        }
    }

    private readonly record struct LiveMapping(GuestPhysicalAddress Memory, int Count);

    private readonly record struct Allocation(int Length, bool IsCoherent);
}
