using Dma.Machine;

namespace Dma.Hal;

/// <summary>Function-level reset (PCI Express, function-level reset), with the waits that it asks for.</summary>
public sealed class PciFunctionReset
{
    private const int DeviceCapabilities = 4;
    private const int DeviceControl = 8;
    private const int DeviceStatus = 10;
    private const int CheckedLength = 12;
    private const uint ResetCapable = 1u << 28;
    private const ushort InitiateReset = 1 << 15;
    private const ushort TransactionsPending = 1 << 5;

    // A function needs up to 100 ms to reset, and may take up to a second until it answers again.
    private const ulong SettleNs = 100_000_000;
    private const ulong PollNs = 1_000_000;
    private const int PendingPolls = 100;
    private const int ReadyPolls = 900;

    private readonly ICpu _cpu;
    private readonly IConfigurationAccess _configuration;
    private readonly SourceId _location;
    private readonly int _capability;

    private PciFunctionReset(ICpu cpu, IConfigurationAccess configuration, SourceId location, int capability)
    {
        _cpu = cpu;
        _configuration = configuration;
        _location = location;
        _capability = capability;
    }

    /// <summary>The reset of a function; null where it has none.</summary>
    /// <exception cref="DeviceException">The capability is malformed.</exception>
    public static PciFunctionReset? TryFind(ICpu cpu, IConfigurationAccess configuration, SourceId location)
    {
        int capability = PciCapabilityList.Find(configuration, location, PciCapabilityId.PciExpress);
        if (capability == 0)
            return null;
        PciCapabilityList.CheckRoom(location, PciCapabilityId.PciExpress, capability, CheckedLength);
        bool isCapable = (configuration.Read32(capability + DeviceCapabilities) & ResetCapable) != 0;
        return isCapable ? new(cpu, configuration, location, capability) : null;
    }

    /// <summary>Starts the reset without waiting for anything; for who passes on the reset of someone who waits himself.</summary>
    public void Initiate()
    {
        ushort control = _configuration.Read16(_capability + DeviceControl);
        _configuration.Write16(_capability + DeviceControl, (ushort)(control | InitiateReset));
    }

    /// <summary>Resets the function; its configuration is lost, but for what belongs to the link.</summary>
    /// <exception cref="DeviceException">It did not come back.</exception>
    public async ValueTask Perform()
    {
        // No new requests, and the old ones answered: as long as that may take. A function that does not end
        // them is reset all the same.
        _configuration.Write16(PciOffset.Command, (ushort)PciCommand.InterruptDisable);
        ushort vendor = _configuration.Read16(PciOffset.VendorId);
        for (int poll = 0; poll < PendingPolls && (_configuration.Read16(_capability + DeviceStatus) & TransactionsPending) != 0; poll++)
            await _cpu.Processor.Delay(PollNs);

        Initiate();
        await _cpu.Processor.Delay(SettleNs);

        // Until it is ready it answers with all ones, or with 0001h for its vendor.
        for (int poll = 0; _configuration.Read16(PciOffset.VendorId) != vendor; poll++)
        {
            if (poll == ReadyPolls)
                throw new DeviceException($"The device at {_location} did not come back from its reset within a second.");
            await _cpu.Processor.Delay(PollNs);
        }
    }
}
