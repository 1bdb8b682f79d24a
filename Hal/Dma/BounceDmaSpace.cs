using Dma.Machine;

namespace Dma.Hal;

/// <summary>A DMA API whose device reaches a pool alone: a processor copies between the pool and the buffers of the driver.</summary>
/// <remarks>
/// <code>
///   driver's buffer ──copy──▶ pool ──DMA──▶ device      at the map, and at each sync for the device
///   driver's buffer ◀──copy── pool ◀──DMA── device      at the unmap, and at each sync for the processor
/// </code>
/// The pool is mapped once: no map costs a hypercall or an invalidation, nothing of a buffer's pages is exposed beside its
/// bytes, and what the device writes after the unmap reaches the pool alone. It is also how a device is served that does not
/// form the address of a buffer. A map copies the buffer whatever the direction: a device that writes less than it may
/// would otherwise hand out what the pool held before.
/// </remarks>
public sealed class BounceDmaSpace : DmaLayer
{
    private readonly ICpu _cpu;
    private readonly int _poolBytes;
    private readonly bool _onlyWhereNeeded;
    private readonly FreeBitmap _free;
    private readonly Dictionary<DmaMapping, Live> _live = [];
    private readonly Gate _opening = new();
    private CoherentBuffer? _pool;

    /// <summary>A DMA API with nothing mapped; the pool comes with the first mapping.</summary>
    /// <param name="below">What the pool comes from.</param>
    /// <param name="cpu">The processor that copies.</param>
    /// <param name="options">How large the pool is.</param>
    /// <param name="onlyWhereNeeded">Whether buffers that the device reaches are mapped as they are.</param>
    public BounceDmaSpace(IDmaSpace below, ICpu cpu, MappingOptions options, bool onlyWhereNeeded = false)
        : base(below)
    {
        (_cpu, _poolBytes, _onlyWhereNeeded) = (cpu, options.PoolBytes, onlyWhereNeeded);
        _free = new((ulong)(_poolBytes / FrameAllocator.FrameSize));
    }

    /// <summary>How many buffers are in the pool.</summary>
    public int BuffersInPool => _live.Count;

    /// <summary>Bytes that were copied so far.</summary>
    public ulong BytesCopied { get; private set; }

    /// <inheritdoc/>
    public override DmaRefusal Free(MemoryBuffer buffer) => _live.Values.Any(live => live.Overlaps(buffer)) ? DmaRefusal.StillMapped : Below.Free(buffer);

    /// <inheritdoc/>
    public override async ValueTask<DmaMapResult> Map(MemoryBuffer buffer, DmaDirection direction)
    {
        if (_onlyWhereNeeded)
        {
            DmaMapResult direct = await Below.Map(buffer, direction);
            if (direct.Refusal != DmaRefusal.Unreachable)
                return direct;
        }

        if (direction == DmaDirection.None || (direction & ~DmaDirection.Bidirectional) != 0)
            return DmaMapResult.Refused(DmaRefusal.BadDirection);
        if (await TryOpenPool() is not { } pool)
            return DmaMapResult.Refused(DmaRefusal.Exhausted);
        int offset = buffer.Address.PageOffset;
        ulong pages = PagesOf(offset, buffer.Length);

        // Aligned to its size within the pool, as the pool is: so it crosses no boundary that is as large.
        ulong alignment = System.Numerics.BitOperations.RoundUpToPowerOf2(pages);
        if (pages > _free.Count || !_free.TryTake(pages, alignment, pool.Mapping.DeviceAddress.Page, out ulong first))
            return DmaMapResult.Refused(DmaRefusal.Exhausted);
        int at = (int)(first * FrameAllocator.FrameSize) + offset;
        DmaMapping mapping = new(pool.Mapping.DeviceAddress + (ulong)at, buffer.Length, direction);
        if (!Limits.Takes(mapping.DeviceAddress, (ulong)buffer.Length) || !TryCopy(buffer.Address, pool.Memory.Address + (ulong)at, buffer.Length))
        {
            _free.Release(first, pages);
            return DmaMapResult.Refused(Limits.Takes(mapping.DeviceAddress, (ulong)buffer.Length) ? DmaRefusal.BadRange : DmaRefusal.Unreachable);
        }

        _live.Add(mapping, new(buffer.Address, pool.Memory.Address + (ulong)at, first, pages, buffer.Length));
        return DmaMapResult.Mapped(mapping);
    }

    /// <inheritdoc/>
    public override async ValueTask<ScatterGatherResult> MapScatterGather(IReadOnlyList<BufferSegment> segments, DmaDirection direction)
    {
        if (_onlyWhereNeeded)
        {
            ScatterGatherResult direct = await Below.MapScatterGather(segments, direction);
            if (direct.Refusal != DmaRefusal.Unreachable)
                return direct;
        }

        if (segments.Count == 0 || segments.Any(segment => segment.Length < 1))
            return new([], DmaRefusal.BadRange);
        List<DmaMapping> mappings = [];
        foreach (List<BufferSegment> pieces in new SegmentPlan(segments, Limits, canJoin: false, FitOf).Segments)
        {
            DmaMapResult result = mappings.Count < Limits.SegmentsMax
                ? await Map(new(_cpu, pieces[0].Address, pieces[0].Length), direction)
                : DmaMapResult.Refused(DmaRefusal.Unreachable);
            if (result.IsMapped)
            {
                mappings.Add(result.Mapping);
                continue;
            }

            foreach (DmaMapping mapping in mappings)
                _ = await Unmap(mapping);
            return new([], result.Refusal);
        }

        return new(mappings, DmaRefusal.None);
    }

    /// <inheritdoc/>
    public override ValueTask<DmaRefusal> Unmap(DmaMapping mapping)
    {
        if (!_live.Remove(mapping, out Live? live))
            return Below.Unmap(mapping);
        if ((mapping.Direction & DmaDirection.FromDevice) != 0)
            _ = TryCopy(live.Pool, live.Buffer, live.Length);
        _free.Release(live.FirstPage, live.Pages);
        return new(DmaRefusal.None);
    }

    /// <inheritdoc/>
    public override DmaRefusal SyncForCpu(DmaMapping mapping, int offset, int length) =>
        Sync(mapping, offset, length, DmaDirection.FromDevice) ?? Below.SyncForCpu(mapping, offset, length);

    /// <inheritdoc/>
    public override DmaRefusal SyncForDevice(DmaMapping mapping, int offset, int length) =>
        Sync(mapping, offset, length, DmaDirection.ToDevice) ?? Below.SyncForDevice(mapping, offset, length);

    /// <summary>Takes the pool now, as long as memory that the device reaches is free; else it comes with the first buffer that needs it.</summary>
    /// <returns><c>false</c> where it cannot be had.</returns>
    public async ValueTask<bool> Open() => await TryOpenPool() is not null;

    /// <summary>Gives the pool back; nothing may be in it.</summary>
    /// <returns><see cref="DmaRefusal.None"/>, or <see cref="DmaRefusal.StillMapped"/>.</returns>
    public async ValueTask<DmaRefusal> Close()
    {
        if (_live.Count != 0)
            return DmaRefusal.StillMapped;
        if (_pool is not { } pool)
            return DmaRefusal.None;
        _pool = null;
        return await Below.FreeCoherent(pool);
    }

    private static ulong PagesOf(int offset, int length) => ((ulong)offset + (ulong)length + FrameAllocator.FrameSize - 1) / FrameAllocator.FrameSize;

    private int FitOf(GuestPhysicalAddress address, int length) => Limits.Fit(new((ulong)address.PageOffset), length);

    private DmaRefusal? Sync(DmaMapping mapping, int offset, int length, DmaDirection needed)
    {
        if (!_live.TryGetValue(mapping, out Live? live))
            return null;
        if (offset < 0 || length < 1 || offset > mapping.Length - length)
            return DmaRefusal.BadRange;
        if ((mapping.Direction & needed) == 0)
            return DmaRefusal.None;
        (GuestPhysicalAddress from, GuestPhysicalAddress to) = needed == DmaDirection.FromDevice ? (live.Pool, live.Buffer) : (live.Buffer, live.Pool);
        return TryCopy(from + (ulong)offset, to + (ulong)offset, length) ? DmaRefusal.None : DmaRefusal.BadRange;
    }

    private async ValueTask<CoherentBuffer?> TryOpenPool()
    {
        await _opening.Enter();
        try
        {
            // The pool as a whole is no segment of the device: only what is cut out of it is.
            DmaLimits limits = Limits;
            Limits = limits with { SegmentBytesMax = int.MaxValue, Boundary = 0 };
            try
            {
                return _pool ??= await Below.AllocateCoherent(_poolBytes);
            }
            finally
            {
                Limits = limits;
            }
        }
        catch (InvalidOperationException)
        {
            return null;
        }
        finally
        {
            _opening.Leave();
        }
    }

    private bool TryCopy(GuestPhysicalAddress from, GuestPhysicalAddress to, int length)
    {
        Span<byte> piece = stackalloc byte[1024];
        for (int done = 0; done < length;)
        {
            Span<byte> bytes = piece[..Math.Min(piece.Length, length - done)];
            if (!_cpu.TryRead(from + (ulong)done, bytes) || !_cpu.TryWrite(to + (ulong)done, bytes))
                return false;
            done += bytes.Length;
        }

        _cpu.Processor.Charge(Cost.Copy);
        _cpu.Processor.Charge(Cost.CopiedByte, (ulong)length);
        BytesCopied += (ulong)length;
        return true;
    }

    private sealed record Live(GuestPhysicalAddress Buffer, GuestPhysicalAddress Pool, ulong FirstPage, ulong Pages, int Length)
    {
        public bool Overlaps(MemoryBuffer other) =>
            Buffer.Value < other.Address.Value + (ulong)other.Length && other.Address.Value < Buffer.Value + (ulong)Length;
    }
}
