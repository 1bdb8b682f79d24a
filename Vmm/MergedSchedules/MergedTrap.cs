namespace Dma.Vmm;

/// <summary>An access of a VM that left for the VMM since its controller is not real: to a virtual register, or into a page of its schedules that is protected.</summary>
/// <param name="NowNs">When.</param>
/// <param name="Machine">The VM.</param>
/// <param name="Register">The register; empty for a store into schedules.</param>
/// <param name="IsWrite">Whether it wrote.</param>
/// <param name="Value">What was read or written; for stores into schedules, how many were noticed at once.</param>
public readonly record struct MergedTrap(ulong NowNs, VirtualMachine Machine, string Register, bool IsWrite, ulong Value);
