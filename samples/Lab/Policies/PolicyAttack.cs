namespace Dma.Lab;

/// <summary>What attacks after an unmap came to.</summary>
/// <param name="Tries">How many there were; one that nothing stopped was the last.</param>
/// <param name="BufferHits">How many of them changed the buffer after its unmap.</param>
/// <param name="WindowNs">The longest time from the return of an unmap to the first write that was refused, in nanoseconds of virtual time; null where none was.</param>
/// <param name="StepNs">How often the device tried, in nanoseconds: a window is at most this much too long.</param>
public sealed record PolicyAttack(int Tries, int BufferHits, ulong? WindowNs, ulong StepNs);
