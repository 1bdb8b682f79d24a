using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The messages that a unit sends to processors in place of requests.</summary>
/// <remarks>
/// <code>
///   address  63         40        20 19     12     3    2
///           +-------------+- - - -+--+---------+-+----+----+--+
///           | dest 31:8   |  FEEh    | dest 7:0  | RH | DM | 0|
///           +-------------+- - - -+--+---------+-+----+----+--+
///   data     15   14   10:8   7:0
///           +----+----+------+--------+
///           | TM |  1 |  DLM | vector |
///           +----+----+------+--------+
/// </code>
/// </remarks>
internal static class InterruptMessages
{
    private const uint Assert = 1 << 14;

    /// <summary>What an entry in remapped form makes of a request.</summary>
    /// <param name="entry">A sound entry.</param>
    /// <param name="extended">Whether its destination is an x2APIC id.</param>
    public static MessageInterrupt Of(RemappedInterrupt entry, bool extended) => new(
        AddressOf(entry.Destination, extended) | (entry.RedirectionHint ? 8u : 0) | (entry.LogicalDestination ? 4u : 0),
        entry.Common.Vector | ((uint)entry.DeliveryMode << 8) | Assert | (entry.LevelTriggered ? 1u << 15 : 0));

    /// <summary>What tells a processor that interrupts wait in a descriptor: fixed, edge-triggered, to a physical destination.</summary>
    /// <param name="control">The quadword of the descriptor that says whom to tell.</param>
    /// <param name="extended">Whether its destination is an x2APIC id.</param>
    public static MessageInterrupt Notification(PostedInterruptDescriptor control, bool extended) =>
        new(AddressOf(control.NotificationDestination, extended), control.NotificationVector | Assert);

    // An xAPIC id stands in bits 15:8 of the field.
    private static ulong AddressOf(uint destination, bool extended)
    {
        uint low = extended ? destination & 0xFF : (destination >> 8) & 0xFF;
        ulong high = extended ? destination >> 8 : 0;
        return InterruptRange.First | (low << 12) | (high << 40);
    }
}
