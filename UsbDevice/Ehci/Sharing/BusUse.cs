namespace Dma.UsbDevice;

/// <summary>For how long the wire was busy, and for whom.</summary>
/// <param name="Set">The register set, from 0 on.</param>
/// <param name="StartNs">When it began, in virtual time.</param>
/// <param name="WireNs">For how many nanoseconds.</param>
/// <param name="IsPeriodic">Whether it was periodic work; else it was asynchronous.</param>
public readonly record struct BusUse(int Set, ulong StartNs, uint WireNs, bool IsPeriodic);
