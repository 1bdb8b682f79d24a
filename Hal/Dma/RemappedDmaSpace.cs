using Dma.Machine;

namespace Dma.Hal;

/// <summary>The DMA API of software that has a remapping unit to itself: on bare metal, or in a VM with a virtual one.</summary>
public sealed class RemappedDmaSpace : DmaSpace
{
    private const ulong PageMask = FrameAllocator.FrameSize - 1;

    private readonly DomainWindow<bool> _window;

    /// <summary>A DMA API with nothing mapped.</summary>
    /// <param name="cpu">The processor that the driver runs on.</param>
    /// <param name="frames">Where its memory comes from.</param>
    /// <param name="domain">The domain that the device is attached to.</param>
    /// <param name="addresses">The device addresses of that domain; devices that share the domain share them too.</param>
    /// <param name="options">Strict or deferred; strict where null.</param>
    public RemappedDmaSpace(ICpu cpu, FrameAllocator frames, RemappingDomain domain, IovaAllocator addresses, MappingOptions? options = null)
        : base(cpu, frames) =>
        _window = new(domain, addresses, cpu.Processor.Loop, options ?? MappingOptions.Strict, static _ => { });

    /// <summary>How many stretches were unmapped and wait for their invalidation.</summary>
    public int WaitingCount => _window.WaitingCount;

    /// <inheritdoc/>
    protected override bool CanJoin => true;

    /// <summary>Waits until the device can use nothing any more that was unmapped before.</summary>
    public ValueTask Flush() => _window.Flush();

    /// <inheritdoc/>
    protected override async ValueTask<DmaMapResult> Translate(IReadOnlyList<BufferSegment> pieces, int length, DmaDirection direction)
    {
        MemoryRun[] runs = new MemoryRun[pieces.Count];
        for (int index = 0; index < runs.Length; index++)
        {
            ulong first = pieces[index].Address.Value & ~PageMask;
            runs[index] = new(new(first), PagesOf(pieces[index].Address.PageOffset, pieces[index].Length) * FrameAllocator.FrameSize);
        }

        int offset = pieces[0].Address.PageOffset;
        (DmaRefusal refusal, Iova start) = await _window.Map(runs, direction, Limits, offset, (ulong)length);
        return refusal == DmaRefusal.None
            ? DmaMapResult.Mapped(new(start + (ulong)offset, length, direction))
            : DmaMapResult.Refused(refusal);
    }

    /// <inheritdoc/>
    protected override ValueTask<DmaRefusal> Release(DmaMapping mapping)
    {
        int offset = mapping.DeviceAddress.PageOffset;
        return _window.Unmap(new(mapping.DeviceAddress.Value - (ulong)offset), PagesOf(offset, mapping.Length), owner: true);
    }

    private static ulong PagesOf(int offset, int length) => ((ulong)offset + (ulong)length + PageMask) / FrameAllocator.FrameSize;
}
