namespace Dma.Vmm;

/// <summary>What a VM has left to do, by its own report and by the time that it ran since.</summary>
/// <param name="LeftNs">Nanoseconds of work.</param>
/// <param name="AgeNs">How old the report is, in nanoseconds.</param>
public readonly record struct WorkEstimate(ulong LeftNs, ulong AgeNs);
