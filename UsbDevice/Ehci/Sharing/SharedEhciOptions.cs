namespace Dma.UsbDevice;

/// <summary>How a shared EHCI controller is built.</summary>
public sealed record SharedEhciOptions
{
    /// <summary>Register sets, 1 to 64: so many drivers can have the controller at a time.</summary>
    public int SetCount { get; init; } = 4;

    /// <summary>Root ports of the bus, 1 to 64. Port number n appears at place (n - 1) modulo 15 of the set that owns it, or less than 15 where it has internal ports.</summary>
    public int RootPortCount { get; init; } = 4;

    /// <summary>Ports that each set shows besides, 0 to 14: they have no bus behind them, but devices that the host provides.</summary>
    public int InternalPortCount { get; init; }

    /// <summary>How each register set is built; it shows as many ports as the bus has and the internal ones, 15 at most.</summary>
    public EhciOptions Sets { get; init; } = new();

    /// <summary>How device addresses are replaced.</summary>
    public AddressOptions Addresses { get; init; } = new();

    /// <summary>How asynchronous time is shared out after power-on.</summary>
    public SharingPolicy Policy { get; init; } = SharingPolicy.DeficitRoundRobin;

    /// <summary>Whether all sets send their requests as the first one, as a controller would that has one PCI function: no IOMMU can tell them apart.</summary>
    public bool SharesRequester { get; init; }

    /// <summary>Whether the driver of one set resets all, as a controller would that has one state behind its register sets.</summary>
    public bool SharesReset { get; init; }

    /// <summary>Whether a set sees a device go whose port another set gets; where not, both drive the port.</summary>
    public bool ShowsPortsLeave { get; init; } = true;
}
