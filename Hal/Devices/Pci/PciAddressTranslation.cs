using Dma.Machine;

namespace Dma.Hal;

/// <summary>Lets a device translate and ask for pages: PASID, address translation services, page requests, in this order (PCI Express, ATS).</summary>
/// <remarks>
/// The order matters. PASID may only change while address translation is off. A device that may ask for pages must be able
/// to ask for translations, and whoever turns translation off first lets page requests come to an end.
/// </remarks>
/// <param name="cpu">The processor that waits.</param>
/// <param name="configuration">The configuration space of the device, all 4096 bytes of it.</param>
/// <param name="location">Where the device is, for messages.</param>
public sealed class PciAddressTranslation(ICpu cpu, IConfigurationAccess configuration, SourceId location)
{
    private const int PasidControl = 6;
    private const int TranslationControl = 6;
    private const int PageRequestControl = 4;
    private const int PageRequestStatus = 6;
    private const int PageRequestCapacity = 8;
    private const int PageRequestAllocation = 12;
    private const ushort PasidEnable = 1;
    private const ushort TranslationEnable = 1 << 15;
    private const ushort PageRequestEnable = 1;
    private const ushort PageRequestReset = 2;
    private const ushort ResponseFailure = 1;
    private const ushort UnexpectedGroup = 2;
    private const ushort Stopped = 1 << 8;
    private const ulong PollNs = 10_000;
    private const int Polls = 10_000;

    /// <summary>Whether the device can ask for pages.</summary>
    /// <exception cref="DeviceException">The capability list is none.</exception>
    public bool CanAskForPages => Find(PciExtendedCapabilityId.AddressTranslation) != 0 && Find(PciExtendedCapabilityId.PageRequest) != 0;

    /// <summary>Turns on what the device has of it; all of it must be off, as after a reset or <see cref="Disable"/>.</summary>
    /// <param name="pageRequests">How many page requests it may have under way; 0 to let it ask for none.</param>
    /// <exception cref="DeviceException">The capability list is none.</exception>
    public void Enable(uint pageRequests)
    {
        int pasid = Find(PciExtendedCapabilityId.Pasid), translation = Find(PciExtendedCapabilityId.AddressTranslation);
        int pages = Find(PciExtendedCapabilityId.PageRequest);

        // 1. PASIDs, while translation is off. 2. Translation.
        if (pasid != 0)
            configuration.Write16(pasid + PasidControl, PasidEnable);
        if (translation != 0)
            configuration.Write16(translation + TranslationControl, TranslationEnable);
        if (pages == 0 || translation == 0 || pageRequests == 0)
            return;

        // 3. Page requests: nothing of before, so many at a time, and go.
        configuration.Write16(pages + PageRequestControl, PageRequestReset);
        configuration.Write16(pages + PageRequestStatus, ResponseFailure | UnexpectedGroup);
        configuration.Write32(pages + PageRequestAllocation, Math.Min(pageRequests, configuration.Read32(pages + PageRequestCapacity)));
        configuration.Write16(pages + PageRequestControl, PageRequestEnable);
    }

    /// <summary>Turns all of it off: page requests first, and what is under way is waited for.</summary>
    /// <exception cref="DeviceException">A capability list is none, or page requests do not come to an end.</exception>
    public async ValueTask Disable()
    {
        int pages = Find(PciExtendedCapabilityId.PageRequest);
        if (pages != 0)
        {
            configuration.Write16(pages + PageRequestControl, 0);
            for (int poll = 0; (configuration.Read16(pages + PageRequestStatus) & Stopped) == 0; poll++)
            {
                if (poll == Polls)
                    throw new DeviceException($"The page requests of {location} do not come to an end.");
                await cpu.Processor.Delay(PollNs);
            }
        }

        int translation = Find(PciExtendedCapabilityId.AddressTranslation);
        if (translation != 0)
            configuration.Write16(translation + TranslationControl, 0);
        int pasid = Find(PciExtendedCapabilityId.Pasid);
        if (pasid != 0)
            configuration.Write16(pasid + PasidControl, 0);
    }

    private int Find(PciExtendedCapabilityId id) => PciExtendedCapabilityList.Find(configuration, location, id);
}
