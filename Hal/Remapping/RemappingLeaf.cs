using Dma.Machine;

namespace Dma.Hal;

/// <summary>What the tables of a domain have behind a device address.</summary>
/// <param name="Target">The byte of memory behind the address.</param>
/// <param name="PageSize">The size of the page that it is in: 4 KiB, 2 MiB or 1 GiB.</param>
/// <param name="Direction">What devices may do.</param>
public readonly record struct RemappingLeaf(GuestPhysicalAddress Target, ulong PageSize, DmaDirection Direction);
