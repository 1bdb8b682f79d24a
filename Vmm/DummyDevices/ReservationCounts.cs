namespace Dma.Vmm;

/// <summary>What became of reservations.</summary>
public sealed class ReservationCounts
{
    /// <summary>Requests for more time that were granted.</summary>
    public ulong Granted { get; internal set; }

    /// <summary>Requests that were refused, for whatever reason.</summary>
    public ulong Refused { get; internal set; }

    /// <summary>Those of them for which the bus had time, though the driver of a dummy had none.</summary>
    public ulong RefusedFalsely { get; internal set; }

    /// <summary>Changes that others were told of: up, down, and back where one was refused.</summary>
    public ulong Changes { get; internal set; }

    /// <summary>Notices to dummies about changes; those to drivers that have just come do not count.</summary>
    public ulong Notices { get; internal set; }

    /// <summary>How often the driver of a dummy did not answer in time.</summary>
    public ulong Silences { get; internal set; }

    /// <summary>Refusals of drivers that stopped nobody, since the books showed that they had time.</summary>
    public ulong Disproved { get; internal set; }

    /// <summary>Dummies that found no port in their VM.</summary>
    public ulong Unplugged { get; internal set; }

    /// <summary>The longest time for which a request that was granted was held, in nanoseconds.</summary>
    public ulong SetupNsMax { get; internal set; }

    /// <summary>How long all requests that were granted were held, in nanoseconds.</summary>
    public ulong SetupNsTotal { get; internal set; }
}
