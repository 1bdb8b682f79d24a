using Dma.Hal;

namespace Dma.Lab;

/// <summary>A mapping as the books of a world have it: what the VMM said, and what must follow from it.</summary>
/// <param name="device">The device address, as the hypercall returned it.</param>
/// <param name="guest">The first byte in the VM's memory.</param>
/// <param name="length">Bytes.</param>
/// <param name="direction">What the device may do.</param>
/// <param name="frames">The number of the frame of the host behind each page.</param>
internal sealed class BookedMapping(ulong device, ulong guest, ulong length, DmaDirection direction, ulong[] frames)
{
    /// <summary>The device address.</summary>
    public ulong Device => device;

    /// <summary>The first byte in the VM's memory.</summary>
    public ulong Guest => guest;

    /// <summary>Bytes.</summary>
    public ulong Length => length;

    /// <summary>What the device may do.</summary>
    public DmaDirection Direction => direction;

    /// <summary>The number of the frame of the host behind each page.</summary>
    public IReadOnlyList<ulong> Frames => frames;

    /// <summary>The number of the first page of device addresses.</summary>
    public ulong FirstPage => device >> 12;

    /// <summary>Whether a page of device addresses is mapped for something.</summary>
    public bool Allows(ulong page, DmaDirection wanted) => page - FirstPage < (ulong)frames.Length && (direction & wanted) == wanted;

    /// <summary>Whether two mappings have a page of device addresses in common.</summary>
    public bool Overlaps(BookedMapping other) =>
        FirstPage < other.FirstPage + (ulong)other.Frames.Count && other.FirstPage < FirstPage + (ulong)frames.Length;
}
