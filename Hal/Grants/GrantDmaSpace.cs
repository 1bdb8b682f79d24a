using Dma.Machine;

namespace Dma.Hal;

/// <summary>The DMA API of a front end: what is mapped is granted to the host, page by page.</summary>
/// <remarks>
/// There is no device. Its addresses are made of grants, one for each page and numbered one after the other:
///
/// <code>
/// 43        12 11        0
/// [  grant   ] [  offset  ]
/// </code>
/// </remarks>
/// <param name="cpu">The processor that the driver runs on.</param>
/// <param name="frames">Where its memory comes from.</param>
/// <param name="grants">The grants of the guest.</param>
public sealed class GrantDmaSpace(ICpu cpu, FrameAllocator frames, GuestGrants grants) : DmaSpace(cpu, frames)
{
    private const int PageBits = 12;

    /// <summary>The grant that lets the host use the page of a device address.</summary>
    public static uint GrantOf(Iova address) => (uint)(address.Value >> PageBits);

    /// <inheritdoc/>
    protected override ValueTask<DmaMapResult> Translate(IReadOnlyList<BufferSegment> pieces, int length, DmaDirection direction)
    {
        GuestPhysicalAddress address = pieces[0].Address;
        bool isReadOnly = (direction & DmaDirection.FromDevice) == 0;
        return new(grants.TryGrant(address.Page, PagesOf(address.PageOffset, length), isReadOnly, out uint first)
            ? DmaMapResult.Mapped(new(new(((ulong)first << PageBits) | (uint)address.PageOffset), length, direction))
            : DmaMapResult.Refused(DmaRefusal.Exhausted));
    }

    /// <inheritdoc/>
    protected override ValueTask<DmaRefusal> Release(DmaMapping mapping)
    {
        Iova address = mapping.DeviceAddress;
        return new(grants.TryRevoke(GrantOf(address), PagesOf(address.PageOffset, mapping.Length)) ? DmaRefusal.None : DmaRefusal.StillMapped);
    }

    private static int PagesOf(int offset, int length) => (offset + length + FrameAllocator.FrameSize - 1) / FrameAllocator.FrameSize;
}
