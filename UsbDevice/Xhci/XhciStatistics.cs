namespace Dma.UsbDevice;

/// <summary>What a controller did since power-on; resets do not clear it.</summary>
public sealed class XhciStatistics
{
    /// <summary>Commands that were executed or refused.</summary>
    public ulong Commands { get; internal set; }

    /// <summary>Transactions on all buses, splits counted one by one.</summary>
    public ulong Transactions { get; internal set; }

    /// <summary>Transactions that a device answered NAK, or NRDY at SuperSpeed.</summary>
    public ulong NotReady { get; internal set; }

    /// <summary>ERDY packets of SuperSpeed devices.</summary>
    public ulong Ready { get; internal set; }

    /// <summary>Visits to endpoints, with or without transactions.</summary>
    public ulong Visits { get; internal set; }

    /// <summary>Events that were written into event rings.</summary>
    public ulong Events { get; internal set; }

    /// <summary>Events that were lost because a ring stayed full.</summary>
    public ulong EventsLost { get; internal set; }

    /// <summary>Interrupts that were signalled, of all interrupters.</summary>
    public ulong Interrupts { get; internal set; }

    /// <summary>Host system errors.</summary>
    public ulong HostSystemErrors { get; internal set; }

    /// <summary>Host controller errors.</summary>
    public ulong ControllerErrors { get; internal set; }
}
