using Dma.Machine;

namespace Dma.Hal;

/// <summary>Whole pages of memory side by side.</summary>
/// <param name="Start">The first byte, a multiple of 4096, in the addresses of the software that drives the remapping unit.</param>
/// <param name="Length">Bytes, a multiple of 4096.</param>
public readonly record struct MemoryRun(GuestPhysicalAddress Start, ulong Length);
