namespace Dma.Hal;

/// <summary>Memory that software and device use at the same time, such as a schedule or a ring.</summary>
/// <param name="Memory">As software sees it.</param>
/// <param name="Mapping">As the device sees it, in both directions.</param>
public sealed record CoherentBuffer(MemoryBuffer Memory, DmaMapping Mapping);
