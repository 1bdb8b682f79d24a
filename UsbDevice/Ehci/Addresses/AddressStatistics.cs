namespace Dma.UsbDevice;

/// <summary>What the address replacement of a controller did since power-on.</summary>
public sealed class AddressStatistics
{
    /// <summary>Addresses that were looked up: one for each token, one more for the hub of a split.</summary>
    public ulong Lookups { get; internal set; }

    /// <summary>Tokens that were not sent, since their address is not mapped.</summary>
    public ulong Unsent { get; internal set; }

    /// <summary>Devices that were given an address.</summary>
    public ulong Assigned { get; internal set; }

    /// <summary>SET_ADDRESS requests that were not sent, since no address was free, allowed or granted.</summary>
    public ulong Refused { get; internal set; }

    /// <summary>Requests of the drivers that software was asked about.</summary>
    public ulong Asked { get; internal set; }

    /// <summary>How often a set had to wait for address 0.</summary>
    public ulong Waits { get; internal set; }

    /// <summary>How often a set kept address 0 for too long, and lost the port behind which it was used.</summary>
    public ulong Expiries { get; internal set; }
}
