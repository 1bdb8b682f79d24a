namespace Dma.UsbDevice;

/// <summary>What became of a visit, and how long the wire was busy with it.</summary>
/// <param name="Outcome">What became of it.</param>
/// <param name="WireNs">Nanoseconds on the wire.</param>
internal readonly record struct QueueVisit(VisitOutcome Outcome, uint WireNs = 0);
