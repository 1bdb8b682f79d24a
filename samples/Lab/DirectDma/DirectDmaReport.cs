using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>What a run of the scenario "direct DMA" came to. The same disk, profile and seed give the same report.</summary>
/// <param name="Disk">What the guest read.</param>
/// <param name="Dma">What the remapping unit saw.</param>
/// <param name="Vmm">What the VMM had to do.</param>
/// <param name="Isolation">What was tried against it.</param>
/// <param name="VirtualTimeNs">Virtual time at the end, in nanoseconds.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Profile">The name of the remapping hardware.</param>
public sealed record DirectDmaReport(
    DiskSummary Disk,
    DmaSummary Dma,
    VmmSummary Vmm,
    IsolationSummary Isolation,
    ulong VirtualTimeNs,
    ulong Seed,
    string Profile)
{
    /// <summary>Whether the guest read what is on the disk, and nothing got through the isolation.</summary>
    public bool IsClean => Disk.MatchesImage && Isolation.Attempts == Isolation.Blocked && Isolation.BytesChangedElsewhere == 0;
}

/// <summary>What the guest's driver read of the disk.</summary>
/// <param name="Bytes">Bytes read.</param>
/// <param name="Sha256">Their checksum, computed in the guest, in lower-case hexadecimal.</param>
/// <param name="MatchesImage">Whether the image, read without the simulation, has the same.</param>
/// <param name="BytesWritten">Bytes that the guest wrote, where the image may be written.</param>
public sealed record DiskSummary(ulong Bytes, string Sha256, bool MatchesImage, ulong BytesWritten);

/// <summary>What the remapping unit counted in the whole run.</summary>
/// <param name="Bytes">Bytes that devices moved through it, in both directions.</param>
/// <param name="Translations">Requests that it translated.</param>
/// <param name="IotlbHits">How many of them the IOTLB answered.</param>
/// <param name="Walks">How many needed a walk of the tables.</param>
/// <param name="Invalidations">Invalidations that the VMM asked for.</param>
/// <param name="Faults">The requests that it refused, in order.</param>
public sealed record DmaSummary(
    ulong Bytes,
    ulong Translations,
    ulong IotlbHits,
    ulong Walks,
    ulong Invalidations,
    IReadOnlyList<FaultSummary> Faults);

/// <summary>One refused request, as the unit's fault record has it.</summary>
/// <param name="Source">The requester, bus:device.function.</param>
/// <param name="Reason">The fault reason, a number of the manual.</param>
/// <param name="ReasonName">Its name.</param>
/// <param name="Address">The address that the device used, in hexadecimal with 0x.</param>
/// <param name="Write">Whether it wanted to write.</param>
public sealed record FaultSummary(string Source, int Reason, string ReasonName, string Address, bool Write);

/// <summary>What the VMM had to do.</summary>
/// <param name="Hypercalls">Calls from the guests.</param>
/// <param name="Exits">Times that a guest left for the VMM, hypercalls included.</param>
public sealed record VmmSummary(ulong Hypercalls, ulong Exits);

/// <summary>What was tried, and whether anything got through.</summary>
/// <param name="Attempts">How many attempts there were.</param>
/// <param name="Blocked">How many of them reached nothing.</param>
/// <param name="BytesChangedElsewhere">Bytes outside the attacker's own memory that an attempt changed.</param>
/// <param name="Tried">The attempts, in order.</param>
/// <param name="Device">The source-id of the assigned controller, bus:device.function.</param>
public sealed record IsolationSummary(
    int Attempts,
    int Blocked,
    ulong BytesChangedElsewhere,
    IReadOnlyList<AttemptSummary> Tried,
    string Device);

/// <summary>One attempt against the isolation.</summary>
/// <param name="By">Who tried.</param>
/// <param name="What">What was tried, in a few words.</param>
/// <param name="Address">The address that was aimed at, in hexadecimal with 0x.</param>
/// <param name="Outcome">What came of it, as the attacker saw it.</param>
/// <param name="Blocked">Whether it reached nothing.</param>
/// <param name="BytesChanged">Bytes of somebody else's memory that it changed.</param>
public sealed record AttemptSummary(string By, string What, string Address, string Outcome, bool Blocked, ulong BytesChanged);

/// <summary>How the report becomes JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(DirectDmaReport))]
public sealed partial class DirectDmaJson : JsonSerializerContext;
