using Dma.Machine;

namespace Dma.Hal;

/// <summary>The DMA API of bare metal without remapping: a device address is the memory address.</summary>
/// <remarks>Nothing holds the device to its mappings or to their direction; an unmap changes the books alone.</remarks>
/// <param name="cpu">The processor that the driver runs on.</param>
/// <param name="frames">Where its memory comes from.</param>
public sealed class IdentityDmaSpace(ICpu cpu, FrameAllocator frames) : DmaSpace(cpu, frames)
{
    /// <inheritdoc/>
    protected override ValueTask<DmaMapResult> Translate(GuestPhysicalAddress address, int length, DmaDirection direction) =>
        new(DmaMapResult.Mapped(new(new(address.Value), length, direction)));

    /// <inheritdoc/>
    protected override ValueTask<DmaRefusal> Release(DmaMapping mapping) => new(DmaRefusal.None);
}
