using Dma.Machine;

namespace Dma.Hal;

/// <summary>The DMA API of a guest that asks its VMM for device addresses.</summary>
/// <remarks>Neither side can make a mapping alone: the guest asks, the VMM checks and writes the tables.</remarks>
/// <param name="cpu">The processor that the driver runs on.</param>
/// <param name="frames">Where its memory comes from.</param>
/// <param name="gate">The way to the VMM.</param>
/// <param name="device">The handle of the device, from <see cref="Hypercall.FindDevice"/>.</param>
public sealed class ParavirtualDmaSpace(ICpu cpu, FrameAllocator frames, IHypercallGate gate, SourceId device) : DmaSpace(cpu, frames)
{
    /// <summary>Waits until the device can use nothing any more that was unmapped before, where the VMM batches invalidations.</summary>
    public async ValueTask Flush() => _ = await gate.Call(Hypercall.FlushDma, device.Value);

    /// <inheritdoc/>
    protected override async ValueTask<DmaMapResult> Translate(IReadOnlyList<BufferSegment> pieces, int length, DmaDirection direction)
    {
        HypercallResult result = await gate.Call(Hypercall.MapDma, device.Value, pieces[0].Address.Value, (ulong)length, (ulong)direction);
        return result.Refusal == DmaRefusal.None
            ? DmaMapResult.Mapped(new(new(result.Value), length, direction))
            : DmaMapResult.Refused(result.Refusal);
    }

    /// <inheritdoc/>
    protected override async ValueTask<DmaRefusal> Release(DmaMapping mapping) =>
        (await gate.Call(Hypercall.UnmapDma, device.Value, mapping.DeviceAddress.Value, (ulong)mapping.Length)).Refusal;
}
