namespace Dma.Vmm;

/// <summary>What the VMM did for a service VM and those that it serves.</summary>
/// <param name="NotificationsToService">How often a front end had it woken.</param>
/// <param name="NotificationsToFrontEnds">How often it had a front end woken.</param>
/// <param name="Maps">How often it mapped pages.</param>
/// <param name="PagesMapped">How many pages.</param>
/// <param name="Copies">How often it had pieces copied.</param>
/// <param name="BytesCopied">How many bytes of them.</param>
public readonly record struct ServiceCounts(
    ulong NotificationsToService, ulong NotificationsToFrontEnds, ulong Maps, ulong PagesMapped, ulong Copies, ulong BytesCopied);
