namespace Dma.UsbDevice;

/// <summary>What a controller did since power-on; resets do not clear it.</summary>
public sealed class EhciStatistics
{
    /// <summary>Microframes in which a schedule was looked at.</summary>
    public ulong Microframes { get; internal set; }

    /// <summary>Elements of the frame list that were read: one for each microframe while the periodic schedule is on.</summary>
    public ulong FrameListReads { get; internal set; }

    /// <summary>Visits to structures that led to transactions.</summary>
    public ulong Visits { get; internal set; }

    /// <summary>Nanoseconds that the wire was busy for it.</summary>
    public ulong WireNs { get; internal set; }

    /// <summary>Microframes in which its periodic list was left before its end, since its budget was used up.</summary>
    public ulong PeriodicCutOffs { get; internal set; }

    /// <summary>Host system errors.</summary>
    public ulong HostSystemErrors { get; internal set; }
}
