namespace Dma.Hal;

/// <summary>A DMA API on top of another one: what a layer does not change goes through.</summary>
/// <param name="below">The one below.</param>
public abstract class DmaLayer(IDmaSpace below) : IDmaSpace
{
    /// <inheritdoc/>
    public virtual DmaLimits Limits
    {
        get => Below.Limits;
        set => Below.Limits = value;
    }

    /// <summary>The one below.</summary>
    protected IDmaSpace Below { get; } = below;

    /// <inheritdoc/>
    public virtual MemoryBuffer Allocate(int length, int alignment = 64) => Below.Allocate(length, alignment);

    /// <inheritdoc/>
    public virtual DmaRefusal Free(MemoryBuffer buffer) => Below.Free(buffer);

    /// <inheritdoc/>
    public virtual ValueTask<CoherentBuffer> AllocateCoherent(int length) => Below.AllocateCoherent(length);

    /// <inheritdoc/>
    public virtual ValueTask<DmaRefusal> FreeCoherent(CoherentBuffer buffer) => Below.FreeCoherent(buffer);

    /// <inheritdoc/>
    public virtual ValueTask<DmaMapResult> Map(MemoryBuffer buffer, DmaDirection direction) => Below.Map(buffer, direction);

    /// <inheritdoc/>
    public virtual ValueTask<ScatterGatherResult> MapScatterGather(IReadOnlyList<BufferSegment> segments, DmaDirection direction) =>
        Below.MapScatterGather(segments, direction);

    /// <inheritdoc/>
    public virtual ValueTask<DmaRefusal> Unmap(DmaMapping mapping) => Below.Unmap(mapping);

    /// <inheritdoc/>
    public virtual DmaRefusal SyncForCpu(DmaMapping mapping, int offset, int length) => Below.SyncForCpu(mapping, offset, length);

    /// <inheritdoc/>
    public virtual DmaRefusal SyncForDevice(DmaMapping mapping, int offset, int length) => Below.SyncForDevice(mapping, offset, length);
}
