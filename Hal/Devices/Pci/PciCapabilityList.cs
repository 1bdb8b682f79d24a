using Dma.Machine;

namespace Dma.Hal;

/// <summary>The capabilities of a function: a list linked through configuration space, which a broken device may link anyhow.</summary>
internal static class PciCapabilityList
{
    private const int Next = 1;

    /// <summary>Where a capability is, or 0 where the function does not have it.</summary>
    /// <exception cref="DeviceException">The list is no list.</exception>
    public static int Find(IConfigurationAccess configuration, SourceId location, PciCapabilityId id)
    {
        if (((PciStatus)configuration.Read16(PciOffset.Status) & PciStatus.CapabilitiesList) == 0)
            return 0;

        // Entries are doublewords apart and above the header: a list without a loop has at most one for each place.
        int found = 0;
        ulong visited = 0;
        for (int at = configuration.Read8(PciOffset.CapabilityPointer) & ~3; at != 0; at = configuration.Read8(at + Next) & ~3)
        {
            if (at < PciOffset.AfterHeader)
                throw new DeviceException($"The capability list of {location} leads to {at:X2}h, into the header.");
            if ((visited >> (at / 4) & 1) != 0)
                throw new DeviceException($"The capability list of {location} comes back to {at:X2}h: it is a loop.");
            visited |= 1ul << (at / 4);
            if (found == 0 && configuration.Read8(at) == (int)id)
                found = at;
        }

        return found;
    }
}
