namespace Dma.Lab;

/// <summary>How VMs had one controller, whole, one after the other.</summary>
/// <param name="Controller">What controller.</param>
/// <param name="QuantumNs">How long a turn is.</param>
/// <param name="WorkConserving">Whether VMs without work give turns up.</param>
/// <param name="Without">Which step was left out of each switch; empty for none.</param>
/// <param name="WindowNs">For how long it was measured.</param>
/// <param name="Vms">What came of each VM.</param>
/// <param name="Gantt">The last stretches, a line for each VM.</param>
/// <param name="Missed">On the same line of time, where slots of the first VM's stream passed without a packet.</param>
/// <param name="ColumnNs">How long a column of the lines is.</param>
/// <param name="States">The registers that a switch saves and restores, of all VMs, when the window was over.</param>
/// <param name="BytesSaved">How many bytes a switch saves, and restores.</param>
/// <param name="Utilisation">The part of the time in which some VM had the controller.</param>
/// <param name="Switches">How many switches there were.</param>
/// <param name="SwitchNsMean">How long one took.</param>
/// <param name="SwitchNsMax">How long the longest took.</param>
/// <param name="WaitBoundNs">The longest that a VM with work may wait.</param>
/// <param name="Jain">Jain's index of the time that each VM had.</param>
/// <param name="Faults">Faults of the remapping unit.</param>
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
    IReadOnlyList<StateRow> States,
    int BytesSaved,
    double Utilisation,
    ulong Switches,
    ulong SwitchNsMean,
    ulong SwitchNsMax,
    ulong WaitBoundNs,
    double Jain,
    ulong Faults)
{
    /// <summary>Whether each VM found what is its own, in its own time, and neither a request nor an interrupt went astray.</summary>
    public bool IsClean => Faults == 0 && Vms.All(static vm => vm is { Problem.Length: 0, StrayInterrupts: 0, MicroframesStood: 0 });
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
    uint MicroframesStood);

/// <summary>One register of all VMs, as each has it.</summary>
/// <param name="Register">Its name.</param>
/// <param name="Values">What it holds, by VM.</param>
public sealed record StateRow(string Register, IReadOnlyList<ulong> Values);
