using Dma.Machine;

namespace Dma.Hal;

/// <summary>The DMA API of software that knows of no translation: a device address is the memory address, on bare metal or on a static map.</summary>
/// <remarks>Nothing holds the device to its mappings or to their direction; an unmap changes the books alone.</remarks>
/// <param name="cpu">The processor that the driver runs on.</param>
/// <param name="frames">Where its memory comes from.</param>
public sealed class IdentityDmaSpace(ICpu cpu, FrameAllocator frames) : DmaSpace(cpu, frames)
{
    /// <inheritdoc/>
    protected override int FitOf(GuestPhysicalAddress address, int length) => Limits.Fit(new(address.Value), length);

    /// <inheritdoc/>
    protected override ValueTask<DmaMapResult> Translate(IReadOnlyList<BufferSegment> pieces, int length, DmaDirection direction) =>
        new(DmaMapResult.Mapped(new(new(pieces[0].Address.Value), length, direction)));

    /// <inheritdoc/>
    protected override ValueTask<DmaRefusal> Release(DmaMapping mapping) => new(DmaRefusal.None);
}
