namespace Dma.Lab;

/// <summary>How VMs had one controller, whole, one after the other.</summary>
/// <param name="Controller">What controller.</param>
/// <param name="QuantumNs">How long a turn is.</param>
/// <param name="WorkConserving">Whether VMs without work give turns up.</param>
/// <param name="Without">Which step was left out of each switch once all VMs were at work; empty for none.</param>
/// <param name="WindowNs">For how long it was measured.</param>
/// <param name="Vms">What came of each VM.</param>
/// <param name="Gantt">The last stretches, a line for each VM.</param>
/// <param name="Missed">On the same line of time, where slots of the first VM's stream passed without a packet.</param>
/// <param name="ColumnNs">How long a column of the lines is.</param>
/// <param name="Strip">Whose the bus was in some microframes in a row; with xHCI each port has a bus of its own, all with the same microframes.</param>
/// <param name="States">The registers that a switch saves and restores, of all VMs, when the window was over.</param>
/// <param name="BytesSaved">How many bytes a switch saves, and restores.</param>
/// <param name="Utilisation">The part of the time in which some VM had the controller.</param>
/// <param name="Switches">How many switches there were.</param>
/// <param name="SwitchNsMean">How long one took.</param>
/// <param name="SwitchNsMax">How long the longest took.</param>
/// <param name="WaitBoundNs">The longest that a VM with work may wait.</param>
/// <param name="Jain">Jain's index of the time that each VM had.</param>
/// <param name="Faults">Faults of the remapping unit.</param>
/// <param name="Reached">Requests of the controller in one VM's turn that reached memory of another VM.</param>
public sealed record RoundRobinReport(
    string Controller,
    ulong QuantumNs,
    bool WorkConserving,
    string Without,
    ulong WindowNs,
    IReadOnlyList<TurnSummary> Vms,
    IReadOnlyList<string> Gantt,
    string Missed,
    ulong ColumnNs,
    BusStrip Strip,
    IReadOnlyList<StateRow> States,
    int BytesSaved,
    double Utilisation,
    ulong Switches,
    ulong SwitchNsMean,
    ulong SwitchNsMax,
    ulong WaitBoundNs,
    double Jain,
    ulong Faults,
    IReadOnlyList<StrayReach> Reached)
{
    // A read of a disk takes a few transfers: where it does not end in so many rounds it never will.
    private const int RoundsMax = 4;

    /// <summary>Whether each VM found what is its own, in its own time, and neither a request nor an interrupt went astray.</summary>
    public bool IsClean => Faults == 0 && Reached.Count == 0 && Vms.All(vm => vm is { Problem.Length: 0, StrayInterrupts: 0, MicroframesStood: 0 } && !IsStuck(vm));

    /// <summary>Whether a VM waits for its disk for so long that this is not for want of turns.</summary>
    public bool IsStuck(TurnSummary vm) => vm.StillNs > RoundsMax * WaitBoundNs;
}

/// <summary>What one VM had of the controller.</summary>
/// <param name="Name">The VM.</param>
/// <param name="Work">What it does.</param>
/// <param name="Problem">What went wrong; empty where nothing did.</param>
/// <param name="RunNs">For how long it had the controller.</param>
/// <param name="Turns">In how many turns.</param>
/// <param name="ExitsPerTurn">How often it left for the VMM, for each turn.</param>
/// <param name="WaitNsMax">The longest time without the controller.</param>
/// <param name="BytesMoved">What it read, in bytes.</param>
/// <param name="SlotsDue">Isochronous slots that were due; 0 where it has no such stream.</param>
/// <param name="SlotsMissed">How many of them nothing was moved in.</param>
/// <param name="StrayInterrupts">Interrupts of the controller that it got while another VM had it.</param>
/// <param name="MicroframesStood">For how many microframes its frame index stood still.</param>
/// <param name="StillNs">For how long it had waited for its disk when the window was over; 0 where it has none.</param>
public sealed record TurnSummary(
    string Name,
    string Work,
    string Problem,
    ulong RunNs,
    ulong Turns,
    double ExitsPerTurn,
    ulong WaitNsMax,
    ulong BytesMoved,
    ulong SlotsDue,
    ulong SlotsMissed,
    ulong StrayInterrupts,
    uint MicroframesStood,
    ulong StillNs);

/// <summary>Requests of a controller that reached memory of a VM while another one had it.</summary>
/// <param name="Turn">The VM that had it.</param>
/// <param name="Memory">The VM whose memory was reached.</param>
/// <param name="Times">How many requests.</param>
public sealed record StrayReach(string Turn, string Memory, ulong Times);

/// <summary>One register of all VMs, as each has it.</summary>
/// <param name="Register">Its name.</param>
/// <param name="Values">What it holds, by VM.</param>
public sealed record StateRow(string Register, IReadOnlyList<ulong> Values);
