using Dma.Machine;

namespace Dma.Hal;

/// <summary>The extended capabilities of a PCI Express function: a list from 100h on, which a broken device may link anyhow.</summary>
public static class PciExtendedCapabilityList
{
    private const int HeaderBytes = 4;

    /// <summary>Where a capability is, or 0 where the function does not have it, or has no extended space.</summary>
    /// <exception cref="DeviceException">The list is no list.</exception>
    public static int Find(IConfigurationAccess configuration, SourceId location, PciExtendedCapabilityId id)
    {
        // Entries are doublewords apart: a list without a loop has at most one for each place.
        int left = (PciOffset.End - PciOffset.Extended) / HeaderBytes;
        for (int at = PciOffset.Extended; at != 0;)
        {
            Bits32 header = new(configuration.Read32(at));
            if (header.Value is 0 or uint.MaxValue)
                return 0;
            if (header.Bits(15, 0) == (uint)id)
                return at;
            at = (int)header.Bits(31, 20) & ~3;
            if (at is not 0 and < PciOffset.Extended)
                throw new DeviceException($"The extended capability list of {location} leads to {at:X3}h, below its start.");
            if (--left == 0)
                throw new DeviceException($"The extended capability list of {location} is a loop.");
        }

        return 0;
    }
}
