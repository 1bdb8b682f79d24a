namespace Dma.Vmm;

/// <summary>How many faults of one requester are a storm.</summary>
/// <param name="FaultsMax">As many as are borne in one stretch of time, 0 and more.</param>
/// <param name="WindowNs">The stretch, in nanoseconds of virtual time; it begins with a fault.</param>
public readonly record struct FaultStorm(ulong FaultsMax, ulong WindowNs);
