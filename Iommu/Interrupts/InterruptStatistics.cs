namespace Dma.Iommu;

/// <summary>What a unit has made of interrupt requests since power-on; those that came while remapping was off are not counted.</summary>
/// <param name="Remapped">Those that went on in remapped form.</param>
/// <param name="Compatible">Those in compatibility format that were let through.</param>
/// <param name="Posted">Those that were posted into a descriptor.</param>
/// <param name="Notifications">How often a processor was told of posted ones.</param>
/// <param name="Blocked">Those that were refused, recorded or not.</param>
/// <param name="EntryReads">How often an entry was read from memory.</param>
public readonly record struct InterruptStatistics(
    ulong Remapped, ulong Compatible, ulong Posted, ulong Notifications, ulong Blocked, ulong EntryReads);
