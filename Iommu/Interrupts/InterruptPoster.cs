using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Posts interrupts for virtual processors into descriptors in memory (VT-d, interrupt posting hardware operation).</summary>
/// <remarks>
/// <code>
///  descriptor   quadwords 0 to 3        4                              5 to 7
///              +-----------------+----+----+------+----+------+------------+
///              | PIR, a bit for  | ON | SN |  -   | NV | NDST |  reserved  |
///              | each vector     |    |    |      |    |      |            |
///              +-----------------+----+----+------+----+------+------------+
/// </code>
/// Hardware owns the line while it changes it. Here the request bit is set first, then ON, each by an atomic exchange
/// of its quadword: software, which clears ON before it collects requests, finds every request that ON stands for.
/// All that decides about a notification lies in one quadword, so it is decided on what is there when ON is set.
/// </remarks>
/// <param name="memory">Where descriptors are.</param>
/// <param name="hostAddressWidth">How many address bits the host has.</param>
internal sealed class InterruptPoster(PhysicalMemory memory, int hostAddressWidth)
{
    private const int ControlOffset = 32;
    private static readonly ulong _on = new PostedInterruptDescriptor { OutstandingNotification = true }.Raw.Word4;

    /// <summary>Posts an interrupt.</summary>
    /// <param name="entry">A sound entry in posted form.</param>
    /// <param name="control">What the descriptor says of notification, in its place in an otherwise empty one.</param>
    /// <param name="isDue">Whether the processor must be notified now.</param>
    /// <returns>Why nothing changed, or none.</returns>
    public FaultReason Post(PostedInterrupt entry, out PostedInterruptDescriptor control, out bool isDue)
    {
        (control, isDue) = (default, false);
        PhysicalAddress at = entry.Descriptor;
        if (at.Value >> hostAddressWidth != 0 || !memory.TryRead(at, out Bits512 descriptor))
            return FaultReason.PostedDescriptorAccess;
        if (InterruptEntryRules.IsReserved(descriptor))
            return FaultReason.PostedDescriptorReserved;

        byte vector = entry.Common.Vector;
        SetBits(at + (ulong)(vector / 64 * 8), 1ul << (vector % 64));
        control = NotifyOnce(at + ControlOffset, entry.Urgent, out isDue);
        return FaultReason.None;
    }

    // X = (ON = 0) and (URG or SN = 0); where X, ON becomes 1, and who made it so sends the notification. The quadword is
    // read anew: what was there before the request bit was set may be about a notification that is over.
    private PostedInterruptDescriptor NotifyOnce(PhysicalAddress at, bool urgent, out bool isDue)
    {
        _ = memory.TryRead(at, out ulong found);
        ulong expected;
        PostedInterruptDescriptor control;
        do
        {
            expected = found;
            control = new(new(0, 0, 0, 0, expected, 0, 0, 0));
            isDue = !control.OutstandingNotification && (urgent || !control.SuppressNotification);
        }
        while (isDue && memory.TryCompareExchange(at, expected, expected | _on, out found) && found != expected);
        return control;
    }

    private void SetBits(PhysicalAddress at, ulong bits)
    {
        ulong expected = 0;
        while (memory.TryCompareExchange(at, expected, expected | bits, out ulong found) && found != expected)
            expected = found;
    }
}
