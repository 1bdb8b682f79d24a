using Dma.Hal;

namespace Dma.Vmm;

/// <summary>A DMA fault as the host's fault handler wrote it down.</summary>
/// <param name="TimeNs">When it was read from the unit, in nanoseconds of virtual time.</param>
/// <param name="Fault">What the unit recorded.</param>
/// <param name="Machine">The name of the VM that had the device then; null where none had.</param>
public readonly record struct LoggedFault(ulong TimeNs, FaultReport Fault, string? Machine);
