namespace Dma.Lab;

/// <summary>What a piece of work came to by one model; docs/models.md says how each number is measured.</summary>
internal sealed record ModelFigures
{
    /// <summary>The controller, by its name.</summary>
    public required string Controller { get; init; }

    /// <summary>The model.</summary>
    public required IoModel Model { get; init; }

    /// <summary>The work, in a few words.</summary>
    public required string Work { get; init; }

    /// <summary>Transfers that the guest's drivers completed.</summary>
    public required int Transfers { get; init; }

    /// <summary>Data bytes that they moved.</summary>
    public required ulong Bytes { get; init; }

    /// <summary>How often the guest left for the VMM, hypercalls included.</summary>
    public required ulong Exits { get; init; }

    /// <summary>Hypercalls.</summary>
    public required ulong Hypercalls { get; init; }

    /// <summary>Interrupts that the VMM put into the guest.</summary>
    public required ulong Injections { get; init; }

    /// <summary>Invalidations of the remapping unit.</summary>
    public required ulong Invalidations { get; init; }

    /// <summary>Bytes that processors copied.</summary>
    public required ulong CopiedBytes { get; init; }

    /// <summary>The mean latency of a transfer, in microframes.</summary>
    public required double LatencyMean { get; init; }

    /// <summary>The longest, in microframes.</summary>
    public required double LatencyMax { get; init; }

    /// <summary>Cycles that were charged to the guest.</summary>
    public required ulong GuestCycles { get; init; }

    /// <summary>Cycles that were charged to the VMM.</summary>
    public required ulong VmmCycles { get; init; }

    /// <summary>Cycles that were charged to the drivers of the host.</summary>
    public required ulong HostCycles { get; init; }

    /// <summary>Isochronous slots that were due; 0 for other work.</summary>
    public required ulong SlotsDue { get; init; }

    /// <summary>How many of them the device had nothing in, or was not asked in.</summary>
    public required ulong SlotsMissed { get; init; }

    /// <summary>How long it took, in nanoseconds of virtual time.</summary>
    public required ulong TimeNs { get; init; }

    /// <summary>The checksum of what the guest got, or of what the device got from it.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Whether that is what the other side has.</summary>
    public required bool IsEqual { get; init; }

    /// <summary>Exits for each transfer.</summary>
    public double ExitsPerTransfer => Per(Exits, (ulong)Transfers);

    /// <summary>Bytes copied for each byte of data.</summary>
    public double CopiesPerByte => Per(CopiedBytes, Bytes);

    /// <summary>Cycles for each byte of data.</summary>
    public double CyclesPerByte => Per(GuestCycles + VmmCycles + HostCycles, Bytes);

    private static double Per(ulong amount, ulong units) => units == 0 ? 0 : (double)amount / units;
}
