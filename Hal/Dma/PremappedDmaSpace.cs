using Dma.Machine;

namespace Dma.Hal;

/// <summary>The DMA API of a guest that asks its VMM once: all memory for buffers is mapped from the beginning, and stays so.</summary>
/// <remarks>A map or unmap costs nothing. The device reaches all buffers at all times, in both directions, and all of them are pinned.</remarks>
public sealed class PremappedDmaSpace : DmaSpace
{
    private readonly GuestPhysicalAddress _start;
    private readonly ulong _length;
    private readonly Iova _device;

    private PremappedDmaSpace(ICpu cpu, FrameAllocator frames, Iova device)
        : base(cpu, frames) => (_start, _length, _device) = (frames.Start, frames.Length, device);

    /// <summary>Maps all memory of an allocator for a device.</summary>
    /// <param name="cpu">The processor that the driver runs on.</param>
    /// <param name="frames">Where its memory comes from.</param>
    /// <param name="gate">The way to the VMM.</param>
    /// <param name="device">The handle of the device, from <see cref="Hypercall.FindDevice"/>.</param>
    /// <exception cref="InvalidOperationException">The VMM does not map it.</exception>
    public static async ValueTask<PremappedDmaSpace> Create(ICpu cpu, FrameAllocator frames, IHypercallGate gate, SourceId device)
    {
        HypercallResult result = await gate.Call(Hypercall.MapDma, device.Value, frames.Start.Value, frames.Length, (ulong)DmaDirection.Bidirectional);
        return result.Refusal == DmaRefusal.None
            ? new(cpu, frames, new(result.Value))
            : throw new InvalidOperationException($"The VMM does not map {frames.Length} bytes: {result.Refusal}.");
    }

    /// <inheritdoc/>
    protected override ValueTask<DmaMapResult> Translate(GuestPhysicalAddress address, int length, DmaDirection direction)
    {
        bool isInside = address >= _start && address - _start < _length && (ulong)length <= _length - (address - _start);
        return new(isInside
            ? DmaMapResult.Mapped(new(_device + (address - _start), length, direction))
            : DmaMapResult.Refused(DmaRefusal.BadRange));
    }

    /// <inheritdoc/>
    protected override ValueTask<DmaRefusal> Release(DmaMapping mapping) => new(DmaRefusal.None);
}
