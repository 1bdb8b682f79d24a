using Dma.Machine;

namespace Dma.Hal;

/// <summary>The DMA API of software that has a remapping unit to itself: on bare metal, or in a VM with a virtual one.</summary>
/// <param name="cpu">The processor that the driver runs on.</param>
/// <param name="frames">Where its memory comes from.</param>
/// <param name="domain">The domain that the device is attached to.</param>
/// <param name="addresses">The device addresses of that domain; devices that share the domain share them too.</param>
public sealed class RemappedDmaSpace(ICpu cpu, FrameAllocator frames, RemappingDomain domain, IovaAllocator addresses)
    : DmaSpace(cpu, frames)
{
    private const ulong PageMask = FrameAllocator.FrameSize - 1;
    private const ulong Superpage = 2 << 20;

    /// <inheritdoc/>
    protected override async ValueTask<DmaMapResult> Translate(GuestPhysicalAddress address, int length, DmaDirection direction)
    {
        ulong offset = address.Value & PageMask;
        ulong pages = PagesOf(offset, length);

        // A stretch that could hold a superpage begins where memory does in its own, so that one can be used.
        bool isLarge = pages * FrameAllocator.FrameSize >= Superpage;
        ulong lead = isLarge ? (address.Value & (Superpage - 1)) / FrameAllocator.FrameSize : 0;
        if (!addresses.TryAllocate(pages + lead, isLarge ? Superpage : FrameAllocator.FrameSize, out Iova stretch))
            return DmaMapResult.Refused(DmaRefusal.Exhausted);
        if (lead != 0)
            addresses.Free(stretch, lead);
        Iova first = stretch + (lead * FrameAllocator.FrameSize);
        DmaRefusal refusal = await domain.Map(first, new(address.Value - offset), pages * FrameAllocator.FrameSize, direction);
        if (refusal == DmaRefusal.None)
            return DmaMapResult.Mapped(new(first + offset, length, direction));
        addresses.Free(first, pages);
        return DmaMapResult.Refused(refusal);
    }

    /// <inheritdoc/>
    protected override async ValueTask<DmaRefusal> Release(DmaMapping mapping)
    {
        ulong offset = mapping.DeviceAddress.Value & PageMask;
        Iova first = new(mapping.DeviceAddress.Value - offset);
        ulong pages = PagesOf(offset, mapping.Length);
        DmaRefusal refusal = await domain.Unmap(first, pages * FrameAllocator.FrameSize);

        // Only now may another mapping have the addresses: nothing cached leads to the old one any more.
        if (refusal == DmaRefusal.None)
            addresses.Free(first, pages);
        return refusal;
    }

    private static ulong PagesOf(ulong offset, int length) => (offset + (ulong)length + PageMask) / FrameAllocator.FrameSize;
}
