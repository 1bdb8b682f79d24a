using Dma.Machine;

namespace Dma.Hal;

/// <summary>One piece of a scatter-gather list, in the software's addresses.</summary>
/// <param name="Address">The first byte.</param>
/// <param name="Length">Bytes, at least 1.</param>
public readonly record struct BufferSegment(GuestPhysicalAddress Address, int Length);
