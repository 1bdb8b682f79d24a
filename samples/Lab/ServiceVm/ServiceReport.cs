using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>How VMs had devices through a service VM.</summary>
/// <param name="Controller">The controller.</param>
/// <param name="Transport">How requests came to the service VM.</param>
/// <param name="Grants">Whether granted pages were mapped or copied.</param>
/// <param name="Batch">How many requests each VM made at a time.</param>
/// <param name="WindowNs">For how long it was measured.</param>
/// <param name="Vms">What came of each VM.</param>
/// <param name="Places">How many requests a ring holds.</param>
/// <param name="Occupancy">The last stretches, a line for each VM: how many requests had no answer.</param>
/// <param name="ColumnNs">How long a column of the lines is.</param>
/// <param name="Strip">Whose the bus was in some microframes in a row, by the device that was spoken to.</param>
/// <param name="Sequence">One request of 18 bytes with nothing else under way.</param>
/// <param name="Requests">Requests that were answered in the window.</param>
/// <param name="NotificationsPerRequest">Notifications, both ways, for each of them.</param>
/// <param name="SwitchesPerRequest">How often the processor went from one VM to another, for each of them.</param>
/// <param name="MapsPerRequest">Hypercalls that mapped pages, for each of them.</param>
/// <param name="CopiesPerByte">Bytes of data that the VMM copied, for each byte that was moved.</param>
/// <param name="Jain">Jain's index of the bytes of VMs.</param>
/// <param name="LookAhead">An isochronous stream, by how many rows are under way.</param>
/// <param name="Crash">What a crash of the service VM came to; null where there was none.</param>
/// <param name="Faults">Faults of the remapping unit.</param>
public sealed record ServiceReport(
    string Controller,
    string Transport,
    string Grants,
    int Batch,
    ulong WindowNs,
    IReadOnlyList<ServiceSummary> Vms,
    int Places,
    IReadOnlyList<string> Occupancy,
    ulong ColumnNs,
    BusStrip Strip,
    IReadOnlyList<SequenceStep> Sequence,
    ulong Requests,
    double NotificationsPerRequest,
    double SwitchesPerRequest,
    double MapsPerRequest,
    double CopiesPerByte,
    double Jain,
    LookAheadReport LookAhead,
    CrashSummary? Crash,
    ulong Faults)
{
    /// <summary>The least that Jain's index may be where all VMs have the same work.</summary>
    public const double JainMin = 0.95;

    /// <summary>Whether all promises were kept.</summary>
    public bool IsClean => Faults == 0 && Jain >= JainMin && LookAhead.IsEnough && Vms.All(vm => vm.Problem.Length == 0) && Crash is not { IsClean: false };
}

/// <summary>What one VM had.</summary>
/// <param name="Name">The VM.</param>
/// <param name="Problem">What went wrong; empty where nothing did.</param>
/// <param name="Requests">Requests that were answered.</param>
/// <param name="Bytes">Bytes that it read.</param>
/// <param name="LatencyNs">How long a read took, on the average.</param>
/// <param name="LatencyNsMax">How long the longest took.</param>
/// <param name="OutstandingMax">The most requests that had no answer at a time.</param>
public sealed record ServiceSummary(string Name, string Problem, ulong Requests, ulong Bytes, ulong LatencyNs, ulong LatencyNsMax, int OutstandingMax);

/// <summary>Something that happened on the way of a request.</summary>
/// <param name="AtNs">When, from its beginning.</param>
/// <param name="Who">With whom.</param>
/// <param name="What">What it was.</param>
/// <param name="CostNs">What it cost, in nanoseconds; 0 where it is a mark alone.</param>
public sealed record SequenceStep(ulong AtNs, string Who, string What, ulong CostNs);

/// <summary>What a crash of the service VM came to.</summary>
/// <param name="Outstanding">Requests that had no answer when it crashed.</param>
/// <param name="ToldNs">How long it took until each VM knew.</param>
/// <param name="PinsLeft">Pages that were pinned afterwards.</param>
/// <param name="IsControllerBack">Whether the controller was reset and with the host.</param>
/// <param name="RestartNs">How long it took from there until each VM had read its disk by the next service VM.</param>
/// <param name="ReadAgain">How many VMs read what is on their disk.</param>
/// <param name="Vms">How many VMs there are.</param>
public sealed record CrashSummary(int Outstanding, ulong ToldNs, ulong PinsLeft, bool IsControllerBack, ulong RestartNs, int ReadAgain, int Vms)
{
    /// <summary>Whether nothing was left, and all went on.</summary>
    public bool IsClean => PinsLeft == 0 && IsControllerBack && ReadAgain == Vms;
}

/// <summary>How the report becomes JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ServiceReport))]
public sealed partial class ServiceJson : JsonSerializerContext;
