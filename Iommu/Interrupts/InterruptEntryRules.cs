using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What a unit demands of interrupt remapping entries and of the descriptors that they point to.</summary>
/// <param name="profile">The unit.</param>
internal sealed class InterruptEntryRules(HardwareProfile profile)
{
    private static readonly Bits128 _remappedReserved = Bits128.Mask(14, 12) | Bits128.Mask(31, 24) | Bits128.Mask(127, 84);
    private static readonly Bits128 _xapicReserved = Bits128.Mask(63, 48) | Bits128.Mask(39, 32);
    private static readonly Bits128 _postedReserved = Bits128.Mask(7, 2) | Bits128.Mask(13, 12) | Bits128.Mask(37, 24) | Bits128.Mask(95, 84);
    private static readonly Bits512 _descriptorReserved = Bits512.Mask(271, 258) | Bits512.Mask(287, 280) | Bits512.Mask(511, 320);

    /// <summary>Checks an entry as it stands in the table.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="extended">Whether destinations are x2APIC ids: EIME.</param>
    public InterruptEntryState Check(InterruptRemappingEntry entry, bool extended)
    {
        if (!entry.Present)
            return InterruptEntryState.NotPresent;
        if (entry.SourceValidation > SourceValidationType.BusRange)
            return InterruptEntryState.Reserved;
        if (entry.IsPosted)
        {
            // Where interrupts are not posted, IM itself is reserved.
            return !profile.Capabilities.PostedInterrupts || entry.Raw.Any(_postedReserved)
                ? InterruptEntryState.Reserved
                : InterruptEntryState.Sound;
        }

        if (entry.Raw.Any(_remappedReserved) || (!extended && entry.Raw.Any(_xapicReserved)))
            return InterruptEntryState.Reserved;
        return IsDeliverable(new(entry.Raw)) ? InterruptEntryState.Sound : InterruptEntryState.Programming;
    }

    /// <summary>Whether a posted-interrupt descriptor has a reserved bit set.</summary>
    public static bool IsReserved(Bits512 descriptor) => descriptor.Any(_descriptorReserved);

    // Lowest priority is a choice among processors, which the redirection hint asks for.
    private static bool IsDeliverable(RemappedInterrupt entry) => entry.DeliveryMode switch
    {
        InterruptDeliveryMode.LowestPriority => entry.RedirectionHint,
        InterruptDeliveryMode.Fixed or InterruptDeliveryMode.SystemManagement or InterruptDeliveryMode.NonMaskable
            or InterruptDeliveryMode.Init or InterruptDeliveryMode.External => true,
        _ => false,
    };
}
