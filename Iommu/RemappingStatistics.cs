namespace Dma.Iommu;

/// <summary>What a unit has done since power-on.</summary>
/// <param name="Translations">Pages for which a requester asked.</param>
/// <param name="IotlbHits">Those that the IOTLB answered.</param>
/// <param name="Walks">Those for which tables were walked.</param>
/// <param name="Prefetches">Pages that were translated in advance.</param>
/// <param name="ContextReads">Contexts that were read from memory.</param>
/// <param name="Faults">Requests that were refused, recorded or not.</param>
/// <param name="Invalidations">Commands and descriptors that invalidated something.</param>
/// <param name="Interrupts">Interrupt requests of devices that were let through.</param>
/// <param name="BytesRead">Bytes that devices read.</param>
/// <param name="BytesWritten">Bytes that devices wrote.</param>
public readonly record struct RemappingStatistics(
    ulong Translations,
    ulong IotlbHits,
    ulong Walks,
    ulong Prefetches,
    ulong ContextReads,
    ulong Faults,
    ulong Invalidations,
    ulong Interrupts,
    ulong BytesRead,
    ulong BytesWritten);
