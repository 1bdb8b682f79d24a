namespace Dma.Lab;

/// <summary>What the work of one VM came to while it counted.</summary>
/// <param name="Transfers">Transfers that its drivers completed.</param>
/// <param name="Bytes">Data that they moved.</param>
/// <param name="TransferNs">How long each transfer of a disk took, in nanoseconds.</param>
/// <param name="KeyNs">How long it took from each key to the guest that knows of it, in nanoseconds.</param>
/// <param name="SlotsDue">Isochronous slots that were due.</param>
/// <param name="SlotsMissed">How many of them brought nothing.</param>
/// <param name="IsInFull">Whether a stream has the size that was asked for first; null where it is no choice.</param>
/// <param name="GapNs">The longest time without the bus while a disk had work, in nanoseconds.</param>
internal sealed record SharingTally(
    int Transfers, ulong Bytes, IReadOnlyList<ulong> TransferNs, IReadOnlyList<ulong> KeyNs, ulong SlotsDue, ulong SlotsMissed, bool? IsInFull, ulong GapNs);
