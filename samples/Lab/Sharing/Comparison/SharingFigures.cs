using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>What all VMs together came to by one mechanism; docs/sharing.md says how each number is measured.</summary>
internal sealed record SharingFigures
{
    /// <summary>Transfers that drivers of guests completed.</summary>
    public required int Transfers { get; init; }

    /// <summary>Data bytes that they moved.</summary>
    public required ulong Bytes { get; init; }

    /// <summary>How often guests left for the VMM, hypercalls and faults on protected pages included.</summary>
    public required ulong Exits { get; init; }

    /// <summary>Interrupts that the VMM put into guests.</summary>
    public required ulong Injections { get; init; }

    /// <summary>Bytes that processors copied.</summary>
    public required ulong CopiedBytes { get; init; }

    /// <summary>Bytes for each VM that read its disk, in the order of VMs.</summary>
    public required IReadOnlyList<ulong> DiskBytes { get; init; }

    /// <summary>How long a transfer of a disk took; null where no VM read one.</summary>
    public required SharingLatency? Transfer { get; init; }

    /// <summary>How long it took from a key to the guest that knows of it; null where nobody typed.</summary>
    public required SharingLatency? Key { get; init; }

    /// <summary>Jain's index of the bytes of VMs that read disks; null where fewer than two did.</summary>
    public required double? Jain { get; init; }

    /// <summary>Jain's index of their bus time in the least even window of 80 microframes; null where fewer than two did.</summary>
    public required double? JainLeast { get; init; }

    /// <summary>The longest time for which a VM that read its disk did not have the bus, in nanoseconds.</summary>
    public required ulong GapNs { get; init; }

    /// <summary>The largest part of the 100 microseconds for periodic work that was used in a microframe of a bus; null where <see cref="PeriodicRefusal"/> says why there is none.</summary>
    public required double? PeriodicLoadMax { get; init; }

    /// <summary>Why there is no bus whose microframes VMs fill together; empty where there is one.</summary>
    public required string PeriodicRefusal { get; init; }

    /// <summary>Isochronous slots that were due.</summary>
    public required ulong SlotsDue { get; init; }

    /// <summary>How many of them brought nothing.</summary>
    public required ulong SlotsMissed { get; init; }

    /// <summary>Streams whose size VMs choose.</summary>
    public required int Streams { get; init; }

    /// <summary>How many of them have the size that was asked for first.</summary>
    public required int StreamsInFull { get; init; }

    /// <summary>Cycles that were charged to guests.</summary>
    public required ulong GuestCycles { get; init; }

    /// <summary>Cycles that were charged to the VMM.</summary>
    public required ulong VmmCycles { get; init; }

    /// <summary>Cycles that were charged to drivers of the host, or of a service VM.</summary>
    public required ulong ServiceCycles { get; init; }

    /// <summary>Cycles of a processor that looked for work.</summary>
    public required ulong PollerCycles { get; init; }

    /// <summary>Exits for each transfer.</summary>
    public double ExitsPerTransfer => Per(Exits, (ulong)Transfers);

    /// <summary>Bytes copied for each byte of data.</summary>
    public double CopiesPerByte => Per(CopiedBytes, Bytes);

    /// <summary>Cycles for each byte of data.</summary>
    public double CyclesPerByte => Per(GuestCycles + VmmCycles + ServiceCycles + PollerCycles, Bytes);

    private static double Per(ulong amount, ulong units) => units == 0 ? 0 : (double)amount / units;
}

/// <summary>How long something took, in microframes; one that was begun counts.</summary>
/// <param name="Mean">The mean.</param>
/// <param name="Median">Half of them took no longer.</param>
/// <param name="Most">99 of 100 took no longer.</param>
/// <param name="Longest">All took no longer.</param>
internal sealed record SharingLatency(double Mean, ulong Median, ulong Most, ulong Longest);

/// <summary>What came of one mechanism.</summary>
/// <param name="Letters">Its letters, as in docs/mechanisms.</param>
/// <param name="Title">What it is.</param>
/// <param name="Needs">What has to be changed for it.</param>
/// <param name="Isolation">What keeps VMs apart.</param>
/// <param name="Cannot">What it cannot do.</param>
/// <param name="Figures">What it came to; null where it refuses the work, or fails at it.</param>
/// <param name="Refusal">Why; empty where it does the work.</param>
/// <param name="Unexpected">In what it is not as expected, one sentence each.</param>
internal sealed record SharingRow(
    string Letters, string Title, string Needs, string Isolation, string Cannot, SharingFigures? Figures, string Refusal, IReadOnlyList<string> Unexpected);

/// <summary>All mechanisms on the same work.</summary>
/// <param name="Vms">How many VMs.</param>
/// <param name="Workload">What they did.</param>
/// <param name="Seed">The seed.</param>
/// <param name="WindowNs">For how long it was measured, in virtual time.</param>
/// <param name="Rows">Each mechanism.</param>
internal sealed record SharingComparisonReport(int Vms, SharingWorkload Workload, ulong Seed, ulong WindowNs, IReadOnlyList<SharingRow> Rows)
{
    /// <summary>Whether each mechanism came to what is expected of it.</summary>
    public bool IsAsExpected => Rows.All(row => row.Unexpected.Count == 0);
}

/// <summary>How the report becomes JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(SharingComparisonReport))]
internal sealed partial class SharingComparisonJson : JsonSerializerContext;
