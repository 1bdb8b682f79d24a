using Dma.Machine;

namespace Dma.Hal;

/// <summary>The PASID and page request capabilities of a device, as software turns them on and off (PCI Express, ATS, page request interface).</summary>
/// <remarks>
/// The order matters, with address translation services in between, which belong to whoever attaches the device:
/// <code>
///   PASIDs on --> attach, ATS on --> page requests on ... page requests off, wait --> detach, ATS off --> PASIDs off
/// </code>
/// PASIDs may only change while ATS is off; and without translations there is nothing to ask pages for.
/// </remarks>
/// <param name="cpu">The processor that waits.</param>
/// <param name="configuration">The configuration space of the device, all 4096 bytes of it.</param>
/// <param name="location">Where the device is, for messages.</param>
public sealed class PciPageRequests(ICpu cpu, IConfigurationAccess configuration, SourceId location)
{
    private const int PasidControl = 6;
    private const int Control = 4;
    private const int Status = 6;
    private const int Capacity = 8;
    private const int Allocation = 12;
    private const ushort PasidEnable = 1;
    private const ushort EnableBit = 1;
    private const ushort ResetBit = 2;
    private const ushort ResponseFailure = 1;
    private const ushort UnexpectedGroup = 2;
    private const ushort Stopped = 1 << 8;
    private const ulong PollNs = 10_000;
    private const int Polls = 10_000;

    /// <summary>Whether the device can ask for pages.</summary>
    /// <exception cref="DeviceException">The capability list is none.</exception>
    public bool CanAsk => Find(PciExtendedCapabilityId.PageRequest) != 0;

    /// <summary>Lets the requests of the device carry PASIDs, where it can; ATS must be off.</summary>
    /// <exception cref="DeviceException">The capability list is none.</exception>
    public void EnablePasids() => SetPasids(PasidEnable);

    /// <summary>Ends that; ATS must be off.</summary>
    /// <exception cref="DeviceException">The capability list is none.</exception>
    public void DisablePasids() => SetPasids(0);

    /// <summary>Lets the device ask for pages; it must have stopped, as after a reset or <see cref="Disable"/>.</summary>
    /// <param name="requests">How many page requests it may have under way, 1 or more.</param>
    /// <exception cref="DeviceException">The capability list is none, or the device cannot ask.</exception>
    public void Enable(uint requests)
    {
        int at = Find(PciExtendedCapabilityId.PageRequest);
        if (at == 0)
            throw new DeviceException($"The device at {location} cannot ask for pages.");

        // Nothing of before, so many at a time, and go.
        configuration.Write16(at + Control, ResetBit);
        configuration.Write16(at + Status, ResponseFailure | UnexpectedGroup);
        configuration.Write32(at + Allocation, Math.Min(requests, configuration.Read32(at + Capacity)));
        configuration.Write16(at + Control, EnableBit);
    }

    /// <summary>Lets the device ask no more, and waits until what it asked for is answered.</summary>
    /// <exception cref="DeviceException">The capability list is none, or the device does not stop.</exception>
    public async ValueTask Disable()
    {
        int at = Find(PciExtendedCapabilityId.PageRequest);
        if (at == 0)
            return;
        configuration.Write16(at + Control, 0);
        for (int poll = 0; (configuration.Read16(at + Status) & Stopped) == 0; poll++)
        {
            if (poll == Polls)
                throw new DeviceException($"The page requests of the device at {location} do not come to an end.");
            await cpu.Processor.Delay(PollNs);
        }
    }

    private void SetPasids(ushort value)
    {
        int at = Find(PciExtendedCapabilityId.Pasid);
        if (at != 0)
            configuration.Write16(at + PasidControl, value);
    }

    private int Find(PciExtendedCapabilityId id) => PciExtendedCapabilityList.Find(configuration, location, id);
}
