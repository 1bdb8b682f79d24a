using Dma.Machine;

namespace Dma.Hal;

/// <summary>The capabilities of a function: a list linked through configuration space, which a broken device may link anyhow.</summary>
public static class PciCapabilityList
{
    private const int Next = 1;

    /// <summary>Where a capability is, or 0 where the function does not have it.</summary>
    /// <exception cref="DeviceException">The list is no list.</exception>
    public static int Find(IConfigurationAccess configuration, SourceId location, PciCapabilityId id)
    {
        foreach ((PciCapabilityId found, int offset) in Read(configuration, location))
        {
            if (found == id)
                return offset;
        }

        return 0;
    }

    /// <summary>All capabilities, in the order of the list, and where each is.</summary>
    /// <exception cref="DeviceException">The list is no list.</exception>
    public static IReadOnlyList<(PciCapabilityId Id, int Offset)> Read(IConfigurationAccess configuration, SourceId location)
    {
        List<(PciCapabilityId Id, int Offset)> capabilities = [];
        if (((PciStatus)configuration.Read16(PciOffset.Status) & PciStatus.CapabilitiesList) == 0)
            return capabilities;

        // Entries are doublewords apart and above the header: a list without a loop has at most one for each place.
        ulong visited = 0;
        for (int at = configuration.Read8(PciOffset.CapabilityPointer) & ~3; at != 0; at = configuration.Read8(at + Next) & ~3)
        {
            if (at < PciOffset.AfterHeader)
                throw new DeviceException($"The capability list of {location} leads to {at:X2}h, into the header.");
            if ((visited >> (at / 4) & 1) != 0)
                throw new DeviceException($"The capability list of {location} comes back to {at:X2}h: it is a loop.");
            visited |= 1ul << (at / 4);
            capabilities.Add(((PciCapabilityId)configuration.Read8(at), at));
        }

        return capabilities;
    }

    /// <summary>Holds a capability to the first 256 bytes.</summary>
    /// <exception cref="DeviceException">It goes on beyond them.</exception>
    public static void CheckRoom(SourceId location, PciCapabilityId id, int at, int length)
    {
        if (at > PciOffset.Extended - length)
            throw new DeviceException($"The capability {id} of {location} at {at:X2}h goes on beyond the first 256 bytes.");
    }
}
