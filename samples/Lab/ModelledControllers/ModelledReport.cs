using System.Text.Json.Serialization;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>How VMs had devices by controllers that processes in a service VM model.</summary>
/// <param name="Controller">The controller, that of the service VM and those that are modelled.</param>
/// <param name="WindowPages">How many pages the window of a process has; null for as many as the VM has.</param>
/// <param name="IsZeroCopy">Whether bulk data of EHCI controllers goes straight to pages of VMs.</param>
/// <param name="ShootDown">What the VMM does when a page loses its frame that it shows the service VM.</param>
/// <param name="WindowNs">For how long it was measured.</param>
/// <param name="Vms">What came of each VM.</param>
/// <param name="Strip">Whose the bus of the service VM's controller was in some microframes in a row, by the device that was spoken to.</param>
/// <param name="Access">What one access to a register costs, whom, and when.</param>
/// <param name="SwitchesPerRead">How often the processor went from one VM to another, for each read.</param>
/// <param name="CopiesPerByte">Bytes that processors copied, structures of schedules included, for each byte read.</param>
/// <param name="CyclesPerRead">Cycles for each read, whose they are.</param>
/// <param name="Jain">Jain's index of the bytes of VMs.</param>
/// <param name="Strangers">What became of pages that the service VM asked for and may not have.</param>
/// <param name="Attack">What the process of the first VM found at a page that was taken away.</param>
/// <param name="Crash">What a crash of the service VM came to; null where there was none.</param>
/// <param name="Faults">Faults of the remapping unit.</param>
public sealed record ModelledReport(
    string Controller,
    int? WindowPages,
    bool IsZeroCopy,
    ShootDown ShootDown,
    ulong WindowNs,
    IReadOnlyList<ModelledSummary> Vms,
    BusStrip Strip,
    IReadOnlyList<SequenceStep> Access,
    double SwitchesPerRead,
    double CopiesPerByte,
    ModelledCycles CyclesPerRead,
    double Jain,
    IReadOnlyList<StrangeCall> Strangers,
    StaleAttack Attack,
    CrashSummary? Crash,
    ulong Faults)
{
    /// <summary>Whether all promises were kept.</summary>
    public bool IsClean => Faults == 0 && Jain >= ServiceReport.JainMin && Vms.All(vm => vm.Problem.Length == 0) && Strangers.All(call => call.IsRefused)
        && Attack is { HasRead: false, HasWritten: false } && Crash is not { IsClean: false };
}

/// <summary>What one VM had.</summary>
/// <param name="Name">The VM.</param>
/// <param name="Problem">What went wrong; empty where nothing did.</param>
/// <param name="Reads">How many reads its driver made.</param>
/// <param name="Bytes">Bytes that it read.</param>
/// <param name="LatencyNs">How long a read took, on the average.</param>
/// <param name="ExitsPerRead">How often it left for the VMM.</param>
/// <param name="UpcallsPerRead">How often that woke its process.</param>
/// <param name="InterruptsPerRead">How often the process interrupted it.</param>
/// <param name="FaultsBefore">Faults in the window until the work began.</param>
/// <param name="Faults">Faults since.</param>
/// <param name="PagesShown">How many of its pages the service VM was shown in the end.</param>
public sealed record ModelledSummary(
    string Name,
    string Problem,
    ulong Reads,
    ulong Bytes,
    ulong LatencyNs,
    double ExitsPerRead,
    double UpcallsPerRead,
    double InterruptsPerRead,
    ulong FaultsBefore,
    ulong Faults,
    int PagesShown);

/// <summary>Cycles for each read.</summary>
/// <param name="Guests">Of the guests.</param>
/// <param name="Service">Of the service VM.</param>
/// <param name="Vmm">Of the VMM.</param>
public sealed record ModelledCycles(double Guests, double Service, double Vmm);

/// <summary>A call of the service VM for what is not its business.</summary>
/// <param name="Asked">What it asked for.</param>
/// <param name="Answer">What the VMM said.</param>
/// <param name="IsRefused">Whether it got nothing.</param>
public sealed record StrangeCall(string Asked, string Answer, bool IsRefused);

/// <summary>How the report becomes JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ModelledReport))]
public sealed partial class ModelledJson : JsonSerializerContext;
