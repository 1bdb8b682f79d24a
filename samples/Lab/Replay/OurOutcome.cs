namespace Dma.Lab;

/// <summary>What a DMA or a message came to on our unit.</summary>
/// <param name="Status">Whether it moved data.</param>
/// <param name="Faults">Every fault that was detected, once for each requester, reason, page and direction; and whether an entry suppressed it.</param>
/// <param name="FaultStatus">FSTS.</param>
/// <param name="RecordLow">The low half of the first fault record.</param>
/// <param name="RecordHigh">The high half of the first fault record.</param>
/// <param name="Data">What the device got.</param>
/// <param name="Landed">For each piece of the recorded outcome, whether the bytes are there.</param>
/// <param name="Interrupts">The interrupts that arrived.</param>
internal sealed record OurOutcome(
    DmaResult Status,
    IReadOnlyList<(RecordedFault Fault, bool Suppressed)> Faults,
    ulong FaultStatus,
    ulong RecordLow,
    ulong RecordHigh,
    byte[] Data,
    IReadOnlyList<bool> Landed,
    IReadOnlyList<RecordedInterrupt> Interrupts);
