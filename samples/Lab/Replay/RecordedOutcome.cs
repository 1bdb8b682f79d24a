using Dma.Machine;

namespace Dma.Lab;

/// <summary>What a DMA or a message came to, and the fault registers right after it.</summary>
/// <param name="Status">Whether it moved data.</param>
/// <param name="FaultStatus">FSTS.</param>
/// <param name="RecordLow">The low half of the first fault record.</param>
/// <param name="RecordHigh">The high half of the first fault record.</param>
/// <param name="Faults">Every fault that was detected, recorded or not; empty where none was.</param>
/// <param name="TellsFaults">Whether it says which faults were detected; for interrupts it does not.</param>
/// <param name="Suppressed">Whether a fault was kept out of the records by an entry's FPD.</param>
/// <param name="Data">What the device got.</param>
/// <param name="Landed">Where what the device wrote was looked for, and whether it was there.</param>
/// <param name="Interrupts">The interrupts that arrived.</param>
internal sealed record RecordedOutcome(
    DmaResult Status,
    ulong FaultStatus,
    ulong RecordLow,
    ulong RecordHigh,
    IReadOnlyList<RecordedFault> Faults,
    bool TellsFaults,
    bool Suppressed,
    byte[] Data,
    IReadOnlyList<RecordedLanding> Landed,
    IReadOnlyList<RecordedInterrupt> Interrupts);

/// <summary>What became of a DMA, as far as a device can tell.</summary>
internal enum DmaResult
{
    /// <summary>Not known.</summary>
    None = 0,

    /// <summary>It moved data.</summary>
    Ok,

    /// <summary>It was refused with a fault.</summary>
    Blocked,

    /// <summary>It moved nothing, and no fault was detected.</summary>
    Dropped,
}

/// <summary>A fault that was detected.</summary>
/// <param name="Source">The requester.</param>
/// <param name="Reason">FR.</param>
/// <param name="Page">The address without its low twelve bits; for an interrupt, its index in bits 63:48.</param>
/// <param name="Write">Whether the request was a write.</param>
internal readonly record struct RecordedFault(SourceId Source, int Reason, ulong Page, bool Write)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Source} {(Write ? "write" : "read")} of {Page:X}h: {Reason:X}h";
}

/// <summary>A piece of what a device wrote.</summary>
/// <param name="Address">The physical address where it was looked for.</param>
/// <param name="Length">Bytes.</param>
/// <param name="There">Whether it was found there.</param>
internal readonly record struct RecordedLanding(ulong Address, int Length, bool There);

/// <summary>An interrupt as it arrived.</summary>
/// <param name="Destination">The destination, with its upper bits.</param>
/// <param name="Logical">Whether the destination is a logical one.</param>
/// <param name="DeliveryMode">0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5 INIT, 7 ExtINT.</param>
/// <param name="Vector">The vector.</param>
/// <param name="Level">Whether it is level-triggered.</param>
internal readonly record struct RecordedInterrupt(ulong Destination, bool Logical, int DeliveryMode, int Vector, bool Level)
{
    /// <summary>The interrupt that a message is.</summary>
    public static RecordedInterrupt Of(MessageInterrupt message)
    {
        Bits64 address = new(message.Address);
        Bits64 data = new(message.Data);
        ulong upper = address.Bits(63, 40) << 8;
        return new(upper | message.Destination, address.Bit(2), (int)data.Bits(10, 8), message.Vector, data.Bit(15));
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"vector {Vector:X2}h to {(Logical ? "logical " : "")}{Destination:X}h, mode {DeliveryMode}{(Level ? ", level" : "")}";
}
