using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>A request that a management core has finished, as it tells whoever watches it.</summary>
/// <param name="Number">The VM as a participant.</param>
/// <param name="Slot">Its slot.</param>
/// <param name="Command">What it asked for; any number, as the guest wrote it.</param>
/// <param name="Result">How it ended.</param>
/// <param name="TakenNs">When it was taken from its slot, in nanoseconds of virtual time.</param>
/// <param name="FinishedNs">When its completion was written.</param>
/// <param name="Length">Bytes that moved.</param>
/// <param name="Source">From whom, or a handle.</param>
public readonly record struct ServedRequest(
    uint Number, int Slot, ManagementCommand Command, ManagementResult Result, ulong TakenNs, ulong FinishedNs, int Length, uint Source);
