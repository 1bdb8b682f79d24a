using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>What came of the same work on a controller whose registers trap, and on ones whose registers are polled.</summary>
/// <param name="Controller">The controller, <c>ehci</c> or <c>xhci</c>.</param>
/// <param name="PeriodNs">From one turn of the poller to the next.</param>
/// <param name="Naps">Whether the poller naps where nothing is to be done.</param>
/// <param name="Ways">What came of each way.</param>
/// <param name="BreakEven">What both cost at rates of exits; from the figures of this run.</param>
/// <param name="BreakEvenExits">From how many exits a second on the poller of this run, with its naps, is the cheaper way.</param>
/// <param name="BreakEvenExitsAwake">The same for a poller that never naps.</param>
/// <param name="ByDevices">The same by how many devices the poller serves.</param>
/// <param name="TrappedExits">Exits a second where registers trap, while the driver reads.</param>
/// <param name="Registers">The registers, by class.</param>
/// <param name="Clock">The stores of one read, trapped and by the ring, on one clock.</param>
/// <param name="ClockEndNs">When the read was over, trapped and by the ring.</param>
/// <param name="DoubleWrites">What the device saw of two stores right after each other, in each way.</param>
public sealed record PollingReport(
    string Controller,
    ulong PeriodNs,
    bool Naps,
    IReadOnlyList<PollingWay> Ways,
    IReadOnlyList<BreakEvenRow> BreakEven,
    double BreakEvenExits,
    double BreakEvenExitsAwake,
    IReadOnlyList<DevicesRow> ByDevices,
    double TrappedExits,
    IReadOnlyList<RegisterRow> Registers,
    IReadOnlyList<ClockRow> Clock,
    IReadOnlyList<ulong> ClockEndNs,
    IReadOnlyList<DoubleWrite> DoubleWrites)
{
    /// <summary>Whether the ways that lose nothing read the disk, and that with the ring took no exit for it.</summary>
    public bool IsClean => Ways.All(way => way.ReadsDisk || way.Name == nameof(Vmm.PolledAccess.EveryPage))
        && Ways.Single(way => way.Name == nameof(Vmm.PolledAccess.WriteRing)) is { ExitsPerRead: 0, NotSeen.Count: 0 };
}

/// <summary>What came of one way.</summary>
/// <param name="Name">Which registers are polled.</param>
/// <param name="ReadsDisk">Whether the driver read its disk, byte for byte.</param>
/// <param name="Outcome">The same in words.</param>
/// <param name="PolledPages">How many pages of registers are memory.</param>
/// <param name="ExitsPerRead">Exits for each read.</param>
/// <param name="ReadNs">How long a read took, on average.</param>
/// <param name="WriteNsMean">From a store to a polled register until the device had it, on average.</param>
/// <param name="WriteNsMax">The longest.</param>
/// <param name="Burned">The part of a processor that the poller burned while the driver read.</param>
/// <param name="NotSeen">Registers with stores that the device never got by polling, and how many.</param>
public sealed record PollingWay(
    string Name,
    bool ReadsDisk,
    string Outcome,
    int PolledPages,
    double ExitsPerRead,
    ulong ReadNs,
    ulong WriteNsMean,
    ulong WriteNsMax,
    double Burned,
    IReadOnlyDictionary<string, int> NotSeen);

/// <summary>What both ways cost at one rate, as parts of a processor.</summary>
/// <param name="ExitsPerSecond">The rate.</param>
/// <param name="Trap">Exits.</param>
/// <param name="Poll">The poller of this run, with its naps.</param>
/// <param name="PollAwake">A poller that never naps.</param>
public sealed record BreakEvenRow(double ExitsPerSecond, double Trap, double Poll, double PollAwake);

/// <summary>From how many exits a second of each device on polling pays.</summary>
/// <param name="Devices">How many devices the poller serves, all alike.</param>
/// <param name="Exits">For the poller of this run, with its naps.</param>
/// <param name="ExitsAwake">For one that never naps.</param>
public sealed record DevicesRow(int Devices, double Exits, double ExitsAwake);

/// <summary>The same store of the same read in two ways; null where a way has none.</summary>
/// <param name="Trapped">Where it exits.</param>
/// <param name="Polled">Where it is put into the ring.</param>
public sealed record ClockRow(ClockedStore? Trapped, ClockedStore? Polled);

/// <summary>The registers of one class.</summary>
/// <param name="Class">The class.</param>
/// <param name="Count">How many there are.</param>
/// <param name="Examples">A few of them.</param>
public sealed record RegisterRow(string Class, int Count, string Examples);

/// <summary>How the report becomes JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(PollingReport))]
public sealed partial class PollingJson : JsonSerializerContext;
