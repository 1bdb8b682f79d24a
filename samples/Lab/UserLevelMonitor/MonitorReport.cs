using System.Text.Json.Serialization;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>What came of device models in a user-level monitor: the work, the window, and the attack.</summary>
/// <param name="Controller">The controller that the guest sees, <c>ehci</c> or <c>xhci</c>.</param>
/// <param name="Access">How the monitor gets at memory in the run that maps and attack are of.</param>
/// <param name="IsZeroCopy">Whether bulk data goes straight to pages of the VM in that run.</param>
/// <param name="ReadBytes">How long a read is, of the guest and of the host.</param>
/// <param name="WindowPages">How many pages its window has; null for one as large as the VM.</param>
/// <param name="ShootDown">What happens when a page loses its frame.</param>
/// <param name="Work">The same reads of a guest's driver, by each access that the controller has.</param>
/// <param name="Transfers">The same blocks from a disk of the host into the guest, in each way.</param>
/// <param name="Strip">When the disk of the guest had the bus, in some microframes in a row of the run with the attack.</param>
/// <param name="Window">Counters of the window in the run with the attack.</param>
/// <param name="Maps">What the window showed before and after.</param>
/// <param name="Attack">What the monitor found at the page that was taken away.</param>
/// <param name="Seed">What bytes come from.</param>
public sealed record MonitorReport(
    string Controller,
    MonitorAccess Access,
    bool IsZeroCopy,
    int ReadBytes,
    int? WindowPages,
    ShootDown ShootDown,
    IReadOnlyList<MonitorWork> Work,
    IReadOnlyList<MonitorTransfer> Transfers,
    BusStrip Strip,
    WindowLine Window,
    IReadOnlyList<WindowMap> Maps,
    StaleAttack Attack,
    ulong Seed)
{
    /// <summary>Whether all bytes are right, and nobody got at another VM.</summary>
    public bool IsClean => Work.All(work => work.IsRight) && Transfers.All(transfer => transfer.IsRight) && !Attack.HasRead && !Attack.HasWritten;
}

/// <summary>Reads by the guest's driver, on a controller that a monitor emulates.</summary>
/// <param name="Access">How the monitor gets at memory.</param>
/// <param name="IsZeroCopy">Whether bulk data of an EHCI controller goes straight to pages of the VM.</param>
/// <param name="IsRight">Whether the guest got what is on the disk.</param>
/// <param name="Reads">How many reads were measured, after the first one.</param>
/// <param name="WarmUpFaults">Faults until the first read was done.</param>
/// <param name="Faults">Faults since.</param>
/// <param name="ExitsPerRead">Exits of the guest.</param>
/// <param name="UpcallsPerRead">Those of them that woke the monitor.</param>
/// <param name="AccessesPerRead">How often the model read or wrote memory of the guest.</param>
/// <param name="SystemCallsPerAccess">System calls for that.</param>
/// <param name="InterruptsPerRead">System calls for interrupts.</param>
/// <param name="CopiesPerByte">Bytes that processors of the host copied, structures of the schedule included, for each byte read.</param>
/// <param name="CyclesPerRead">Cycles of the monitor.</param>
public sealed record MonitorWork(
    MonitorAccess Access,
    bool IsZeroCopy,
    bool IsRight,
    int Reads,
    ulong WarmUpFaults,
    ulong Faults,
    double ExitsPerRead,
    double UpcallsPerRead,
    double AccessesPerRead,
    double SystemCallsPerAccess,
    double InterruptsPerRead,
    double CopiesPerByte,
    double CyclesPerRead);

/// <summary>Pieces of a disk of the host into memory of the guest.</summary>
/// <param name="Way">How.</param>
/// <param name="IsRight">Whether the guest has what is on the disk.</param>
/// <param name="Blocks">How many were measured, after one that warmed up.</param>
/// <param name="Faults">Faults meanwhile.</param>
/// <param name="SystemCallsPerBlock">System calls for the memory of the guest.</param>
/// <param name="CopiesPerByte">Copies by processors.</param>
/// <param name="Invalidations">Invalidations of the remapping unit for each block.</param>
/// <param name="CyclesPerBlock">Cycles of monitor and VMM.</param>
public sealed record MonitorTransfer(
    string Way, bool IsRight, int Blocks, ulong Faults, double SystemCallsPerBlock, double CopiesPerByte, double Invalidations, double CyclesPerBlock);

/// <summary>Counters of a window.</summary>
/// <param name="Present">Pages that it shows.</param>
/// <param name="Faults">Faults after which a page was there.</param>
/// <param name="RefusedFaults">Faults where no memory of the VM is.</param>
/// <param name="Evictions">Pages that made room.</param>
/// <param name="ShootDowns">Pages that lost their frame.</param>
/// <param name="Generation">How often a page left.</param>
public sealed record WindowLine(int Present, ulong Faults, ulong RefusedFaults, ulong Evictions, ulong ShootDowns, ulong Generation);

/// <summary>The pages of a window, a character each: <c>.</c> absent, <c>#</c> present, <c>!</c> stale.</summary>
/// <param name="When">When that was.</param>
/// <param name="Rows">64 pages each, with the address of the first; rows without a page are left out.</param>
public sealed record WindowMap(string When, IReadOnlyList<string> Rows);

/// <summary>A page is taken from a VM and given to another one; then the monitor of the first looks for it.</summary>
/// <param name="Page">The page, guest-physical.</param>
/// <param name="Frame">Its frame.</param>
/// <param name="Ballooned">Whether the VMM could take it.</param>
/// <param name="Found">What the monitor read there afterwards.</param>
/// <param name="HasRead">Whether that was the other VM's.</param>
/// <param name="HasWritten">Whether what it wrote there arrived in the other VM.</param>
public sealed record StaleAttack(string Page, string Frame, string Ballooned, string Found, bool HasRead, bool HasWritten);

/// <summary>How the report becomes JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(MonitorReport))]
public sealed partial class MonitorJson : JsonSerializerContext;
