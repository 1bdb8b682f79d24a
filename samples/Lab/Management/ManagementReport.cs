using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>What a run of the scenario "management device" came to. The same seed and folder give the same report.</summary>
/// <param name="Participants">Who took part, and what is in the mailboxes.</param>
/// <param name="Arrows">The messages, in the order in which they ended.</param>
/// <param name="Folder">The folder that VM 1 was granted, at the end.</param>
/// <param name="Tried">What was tried against it.</param>
/// <param name="Shares">What the scheduler made of the statistics.</param>
/// <param name="Figures">What it took.</param>
/// <param name="VirtualTimeNs">Virtual time at the end, in nanoseconds.</param>
/// <param name="Seed">The seed.</param>
public sealed record ManagementReport(
    IReadOnlyList<ParticipantLine> Participants,
    IReadOnlyList<MessageArrow> Arrows,
    FolderSummary Folder,
    IReadOnlyList<RefusalLine> Tried,
    IReadOnlyList<ShareLine> Shares,
    ManagementFigures Figures,
    ulong VirtualTimeNs,
    ulong Seed)
{
    /// <summary>Whether all that should be refused was, and all files and messages were whole.</summary>
    public bool IsClean => Tried.All(line => line.IsRefused) && Folder.IsWhole && Figures.MessagesWhole;
}

/// <summary>A participant and its mailbox.</summary>
/// <param name="Number">Its number; 0 is the host.</param>
/// <param name="Name">Who it is.</param>
/// <param name="Published">The names that it published.</param>
/// <param name="Waiting">Messages that wait for it.</param>
/// <param name="Requests">Requests that the core did for it.</param>
public sealed record ParticipantLine(uint Number, string Name, IReadOnlyList<string> Published, int Waiting, ulong Requests);

/// <summary>A message on its way.</summary>
/// <param name="TimeNs">When its sender was told, in nanoseconds.</param>
/// <param name="From">The sender.</param>
/// <param name="To">The destination.</param>
/// <param name="What">What it says.</param>
/// <param name="Result">What its sender was told.</param>
public sealed record MessageArrow(ulong TimeNs, uint From, uint To, string What, string Result);

/// <summary>A granted folder.</summary>
/// <param name="Root">What it is.</param>
/// <param name="Entries">What VM 1 sees in it.</param>
/// <param name="QuotaBytes">By how many bytes it may grow.</param>
/// <param name="QuotaLeft">What is left of them.</param>
/// <param name="BytesWritten">Bytes that VM 1 wrote.</param>
/// <param name="IsWhole">Whether what it read back is what it wrote.</param>
public sealed record FolderSummary(string Root, IReadOnlyList<string> Entries, ulong QuotaBytes, ulong QuotaLeft, ulong BytesWritten, bool IsWhole);

/// <summary>Something that should be refused.</summary>
/// <param name="What">What was tried.</param>
/// <param name="Result">What came of it.</param>
/// <param name="IsRefused">Whether it was.</param>
public sealed record RefusalLine(string What, string Result, bool IsRefused);

/// <summary>What the scheduler did with a VM in one phase.</summary>
/// <param name="Phase">The phase.</param>
/// <param name="Machine">The VM.</param>
/// <param name="Weight">Its weight.</param>
/// <param name="WorkNs">The work that it reported last.</param>
/// <param name="ReportAgeNs">How old that was at the end of the phase, in nanoseconds.</param>
/// <param name="RanNs">How long it ran, in nanoseconds.</param>
/// <param name="Share">Its part of the time of all.</param>
public sealed record ShareLine(string Phase, string Machine, int Weight, ulong WorkNs, ulong ReportAgeNs, ulong RanNs, double Share);

/// <summary>What it took, measured.</summary>
/// <param name="Messages">How many messages were sent for that.</param>
/// <param name="MessagesWhole">Whether all arrived once, in order and whole.</param>
/// <param name="ExitsPerMessage">Exits of sender and receiver together.</param>
/// <param name="InterruptsPerMessage">Injected interrupts of both together.</param>
/// <param name="BytesPerExit">Payload.</param>
/// <param name="CopiesPerByte">By the core, in and out.</param>
/// <param name="LatencyNs">From the call of the sender until the receiver has it, on average, of a message of 4 KiB.</param>
/// <param name="LargeLatencyNs">The same of a message of 64 KiB.</param>
/// <param name="RequestLatencyNs">From the doorbell to the completion of a small calculation, on average.</param>
/// <param name="StatisticsAgeNs">How old measured statistics were when they were asked for, at most.</param>
/// <param name="Fairness">Jain's index of the requests done for VMs that all had more than enough.</param>
public sealed record ManagementFigures(
    int Messages,
    bool MessagesWhole,
    double ExitsPerMessage,
    double InterruptsPerMessage,
    double BytesPerExit,
    double CopiesPerByte,
    double LatencyNs,
    double LargeLatencyNs,
    double RequestLatencyNs,
    ulong StatisticsAgeNs,
    double Fairness);

/// <summary>How the report becomes JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ManagementReport))]
public sealed partial class ManagementJson : JsonSerializerContext;
