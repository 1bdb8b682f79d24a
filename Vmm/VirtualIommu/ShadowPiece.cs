using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A stretch of device addresses that leads to host memory side by side, with the same rights.</summary>
/// <param name="First">The first device address.</param>
/// <param name="Length">Bytes, a multiple of 4096.</param>
/// <param name="Host">Where it lies.</param>
/// <param name="Direction">What the device may do.</param>
/// <param name="PageBytes">The page of the guest's tables that it comes from: what is cached of it goes as a whole.</param>
internal readonly record struct ShadowPiece(ulong First, ulong Length, PhysicalAddress Host, DmaDirection Direction, ulong PageBytes)
{
    /// <summary>The end of the stretch.</summary>
    public ulong End => First + Length;

    /// <summary>How many pages are pinned for it.</summary>
    public ulong Pages => Length / 4096;

    /// <summary>The part of it from an address on.</summary>
    public ShadowPiece From(ulong first) => this with { First = first, Length = End - first, Host = Host + (first - First) };

    /// <summary>The part of it before an address.</summary>
    public ShadowPiece Before(ulong end) => this with { Length = end - First };

    /// <summary>Whether another one that begins where this one does leads to the same place with the same rights.</summary>
    public bool Agrees(ShadowPiece other) => Host == other.Host && Direction == other.Direction;

    /// <summary>Whether another one goes on where this one ends.</summary>
    public bool IsFollowedBy(ShadowPiece next) =>
        End == next.First && Host + Length == next.Host && Direction == next.Direction && PageBytes == next.PageBytes;
}
