using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>How one controller ran the merged schedules of several VMs.</summary>
/// <param name="Merge">Who merged: software or hardware.</param>
/// <param name="Discovery">How the VMM found what guests added.</param>
/// <param name="AheadMicroframes">How long before a frame its list was merged.</param>
/// <param name="Without">Which step was left out; empty for none.</param>
/// <param name="WindowNs">For how long it was measured.</param>
/// <param name="Vms">What came of each VM.</param>
/// <param name="Frames">Some elements of the frame lists when the window was over: the current one is the sixth, or where hardware merged the last one.</param>
/// <param name="Ring">The asynchronous list at that time, a letter for each queue head.</param>
/// <param name="Strip">Whose the bus was in some microframes in a row.</param>
/// <param name="Traps">The last accesses of VMs that left for the VMM.</param>
/// <param name="Registers">The registers at that time.</param>
/// <param name="RealInterrupts">Interrupts of the real controller.</param>
/// <param name="PayloadBytesCopied">Bytes that a processor copied and that belong to no structure of a schedule.</param>
/// <param name="VmmNs">What the VMM's work took, by the cost model.</param>
/// <param name="Faults">Faults of the remapping unit.</param>
/// <param name="Heads">The most structures of the asynchronous list that the controller saw marked as its head.</param>
/// <param name="Doorbells">Doorbells of VMs that were answered.</param>
/// <param name="EarlyAnswers">How many of them while the controller still had what the VM had unlinked.</param>
public sealed record MergedReport(
    string Merge,
    string Discovery,
    int AheadMicroframes,
    string Without,
    ulong WindowNs,
    IReadOnlyList<MergedSummary> Vms,
    IReadOnlyList<MergedFrameRow> Frames,
    string Ring,
    BusStrip Strip,
    IReadOnlyList<MergedTrapRow> Traps,
    IReadOnlyList<MergedRegisterRow> Registers,
    ulong RealInterrupts,
    ulong PayloadBytesCopied,
    ulong VmmNs,
    ulong Faults,
    int Heads,
    int Doorbells,
    int EarlyAnswers)
{
    /// <summary>Whether each VM found what is its own, in time, no request went astray, and the list was one that a controller may run.</summary>
    public bool IsClean => Faults == 0 && Heads <= 1 && EarlyAnswers == 0 && Vms.All(vm => vm.Problem.Length == 0 && vm.Counts.SlotsMissed == 0);
}

/// <summary>What one VM had of its virtual controller.</summary>
/// <param name="Name">The VM.</param>
/// <param name="Work">What it does.</param>
/// <param name="Problem">What went wrong; empty where nothing did.</param>
/// <param name="Counts">What was counted.</param>
/// <param name="TransferNsMean">How long a piece of its work took.</param>
public sealed record MergedSummary(string Name, string Work, string Problem, MergedCounts Counts, ulong TransferNsMean);

/// <summary>What was counted for one VM.</summary>
public sealed record MergedCounts
{
    /// <summary>Bytes of data that it moved.</summary>
    public ulong Bytes { get; init; }

    /// <summary>Pieces of work: reads of its disk, 8 ms of sound, keys.</summary>
    public ulong Transfers { get; init; }

    /// <summary>Isochronous slots that were due.</summary>
    public ulong SlotsDue { get; init; }

    /// <summary>Isochronous slots in which nothing was moved.</summary>
    public ulong SlotsMissed { get; init; }

    /// <summary>Exits.</summary>
    public ulong Exits { get; init; }

    /// <summary>Reads of virtual registers.</summary>
    public ulong RegisterReads { get; init; }

    /// <summary>Writes of virtual registers.</summary>
    public ulong RegisterWrites { get; init; }

    /// <summary>Stores into protected pages, a fault each.</summary>
    public ulong ProtectedStores { get; init; }

    /// <summary>Interrupts that it got.</summary>
    public ulong Interrupts { get; init; }

    /// <summary>Looks at its schedules.</summary>
    public ulong Scans { get; init; }

    /// <summary>Structures that were read in those.</summary>
    public ulong NodesVisited { get; init; }

    /// <summary>qTDs that were copied.</summary>
    public ulong TransfersCopied { get; init; }

    /// <summary>iTDs and siTDs that were copied.</summary>
    public ulong FramesCopied { get; init; }

    /// <summary>Ends that were written back.</summary>
    public ulong WrittenBack { get; init; }

    /// <summary>Bytes of structures that were read or written back.</summary>
    public ulong StructureBytes { get; init; }

    /// <summary>What was counted since some earlier time.</summary>
    public MergedCounts Since(MergedCounts before) => new()
    {
        Bytes = Bytes - before.Bytes,
        Transfers = Transfers - before.Transfers,
        SlotsDue = SlotsDue - before.SlotsDue,
        SlotsMissed = SlotsMissed - before.SlotsMissed,
        Exits = Exits - before.Exits,
        RegisterReads = RegisterReads - before.RegisterReads,
        RegisterWrites = RegisterWrites - before.RegisterWrites,
        ProtectedStores = ProtectedStores - before.ProtectedStores,
        Interrupts = Interrupts - before.Interrupts,
        Scans = Scans - before.Scans,
        NodesVisited = NodesVisited - before.NodesVisited,
        TransfersCopied = TransfersCopied - before.TransfersCopied,
        FramesCopied = FramesCopied - before.FramesCopied,
        WrittenBack = WrittenBack - before.WrittenBack,
        StructureBytes = StructureBytes - before.StructureBytes,
    };
}

/// <summary>An element of the frame lists, a letter for each structure: iTD i, siTD s, QH q, each with the number of its VM.</summary>
/// <param name="Frame">The frame.</param>
/// <param name="Guests">What each VM has in it.</param>
/// <param name="Merged">What the controller runs in it.</param>
public sealed record MergedFrameRow(int Frame, IReadOnlyList<string> Guests, string Merged);

/// <summary>An access that left for the VMM.</summary>
/// <param name="AtNs">When.</param>
/// <param name="Vm">The VM.</param>
/// <param name="What">What it was.</param>
public sealed record MergedTrapRow(ulong AtNs, string Vm, string What);

/// <summary>A register as each VM sees it, and as it is.</summary>
/// <param name="Register">Its name.</param>
/// <param name="Virtual">By VM.</param>
/// <param name="Real">The real one.</param>
public sealed record MergedRegisterRow(string Register, IReadOnlyList<uint> Virtual, uint Real);

/// <summary>How the report becomes JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(MergedReport))]
public sealed partial class MergedJson : JsonSerializerContext;
