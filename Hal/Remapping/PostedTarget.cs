using Dma.Machine;

namespace Dma.Hal;

/// <summary>Where an interrupt is posted instead of being sent to a processor.</summary>
/// <param name="Descriptor">The descriptor in memory, a multiple of 64.</param>
/// <param name="Vector">The vector that the virtual processor gets.</param>
/// <param name="IsUrgent">Whether it is notified of even while notifications are suppressed.</param>
public readonly record struct PostedTarget(PhysicalAddress Descriptor, byte Vector, bool IsUrgent = false);
