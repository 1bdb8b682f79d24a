using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>What came of several VMs that gave their devices addresses at the same time.</summary>
/// <param name="Replaced">Whether the controller replaced addresses.</param>
/// <param name="Assignment">Who chose them: dynamic, static or software.</param>
/// <param name="Vms">What came of each VM.</param>
/// <param name="Addresses">The mapping, when all were done.</param>
/// <param name="AddressZero">Who had address 0, one after the other.</param>
/// <param name="Packets">The first packet of each kind of each VM, in time.</param>
/// <param name="Strip">Whose the bus was in some microframes in a row, while all read.</param>
/// <param name="Lookups">Looks at the mapping.</param>
/// <param name="NotSent">Tokens that did not go out, since their address is not mapped.</param>
/// <param name="ExitsForAddresses">Exits of guests since the VMM chose an address.</param>
/// <param name="VirtualTimeNs">How long it took, in virtual time.</param>
public sealed record AddressReport(
    bool Replaced,
    string Assignment,
    IReadOnlyList<AddressOutcome> Vms,
    IReadOnlyList<AddressMapping> Addresses,
    IReadOnlyList<AddressZeroTurn> AddressZero,
    IReadOnlyList<PacketRow> Packets,
    BusStrip Strip,
    ulong Lookups,
    ulong NotSent,
    ulong ExitsForAddresses,
    ulong VirtualTimeNs)
{
    /// <summary>Whether each VM read its own disk.</summary>
    public bool IsClean => Vms.All(vm => vm.ReadsOwnDisk);
}

/// <summary>What came of one VM.</summary>
/// <param name="Name">The VM.</param>
/// <param name="ReadsOwnDisk">Whether it read its disk, byte for byte.</param>
/// <param name="Outcome">The same in words.</param>
/// <param name="EnumerationNs">How long its device took to get an address, in virtual time; 0 where it got none.</param>
/// <param name="ZeroWaitNs">How long of that it waited for address 0.</param>
public sealed record AddressOutcome(string Name, bool ReadsOwnDisk, string Outcome, ulong EnumerationNs, ulong ZeroWaitNs);

/// <summary>The first of a kind of packets.</summary>
/// <param name="AtNs">When it was sent, or would have been.</param>
/// <param name="Number">The number of its VM, from 0 on.</param>
/// <param name="Vm">Its VM.</param>
/// <param name="Address">The address that the driver gave.</param>
/// <param name="Bus">The address on the bus; null where nothing was sent.</param>
/// <param name="Endpoint">The endpoint.</param>
/// <param name="Pid">What the token was.</param>
/// <param name="Answer">What came back; empty for nothing that makes sense.</param>
/// <param name="Devices">The VMs whose devices answer to the address on the bus: more than one destroy each other's answer.</param>
/// <param name="Times">How many of this kind there were.</param>
public sealed record PacketRow(
    ulong AtNs, int Number, string Vm, int Address, int? Bus, int Endpoint, string Pid, string Answer, IReadOnlyList<string> Devices, int Times);

/// <summary>One address on the bus.</summary>
/// <param name="Bus">The address.</param>
/// <param name="Vm">Whose device has it.</param>
/// <param name="Virtual">The address that its driver knows.</param>
public sealed record AddressMapping(int Bus, string Vm, int Virtual);

/// <summary>A time for which one VM had address 0.</summary>
/// <param name="Vm">The VM.</param>
/// <param name="StartNs">Since when.</param>
/// <param name="EndNs">Until when.</param>
public sealed record AddressZeroTurn(string Vm, ulong StartNs, ulong EndNs);

/// <summary>How the bus was shared between VMs, one of which takes all it can get.</summary>
/// <param name="Policy">How asynchronous time was shared out, as the command line says it.</param>
/// <param name="WindowNs">For how long it was measured.</param>
/// <param name="Vms">What each had.</param>
/// <param name="Jain">Jain's index of the bus time of those that had work all the time, by weight where the policy weighs; null where that was one alone.</param>
/// <param name="PeriodicLoadMax">The largest part of the periodic time of a microframe that was used.</param>
/// <param name="FrameListReads">Elements of frame lists that the controller read in each microframe, on average.</param>
/// <param name="Registers">The operational registers of all sets when the window was over.</param>
/// <param name="Strip">Whose the bus was in some microframes in a row.</param>
/// <param name="Microframe">The uses of the last whole microframe, in order.</param>
public sealed record RegisterSetReport(
    string Policy,
    ulong WindowNs,
    IReadOnlyList<SetSummary> Vms,
    double? Jain,
    double PeriodicLoadMax,
    double FrameListReads,
    IReadOnlyList<StateRow> Registers,
    BusStrip Strip,
    IReadOnlyList<MicroframeUse> Microframe)
{
    /// <summary>Whether every VM was served.</summary>
    public bool IsFair => Vms.All(vm => vm.BusNs != 0);
}

/// <summary>What one VM had of the bus.</summary>
/// <param name="Name">The VM.</param>
/// <param name="PacketBytes">How long the packets are of a VM that takes all it can get; 0 of one that reads its disk.</param>
/// <param name="Weight">How much more than others it shall have, where the policy weighs.</param>
/// <param name="BusNs">Its bus time.</param>
/// <param name="Visits">Its visits to queue heads.</param>
/// <param name="BytesRead">What it read from its disk.</param>
/// <param name="GapNsMax">The longest time that it waited.</param>
/// <param name="ExitsPerRead">How often it left for the VMM, for each read of its disk.</param>
/// <param name="DeficitNs">What it might still use of its turn when the window was over, where the policy counts that; below zero it is owed.</param>
/// <param name="DeficitNsMin">The least that was in the window.</param>
/// <param name="DeficitNsMax">The most.</param>
public sealed record SetSummary(
    string Name,
    int PacketBytes,
    int Weight,
    ulong BusNs,
    ulong Visits,
    ulong BytesRead,
    ulong GapNsMax,
    double ExitsPerRead,
    long DeficitNs,
    long DeficitNsMin,
    long DeficitNsMax)
{
    /// <summary>Whether it takes all it can get.</summary>
    public bool IsGreedy => PacketBytes != 0;
}

/// <summary>How the reports become JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(AddressReport))]
[JsonSerializable(typeof(RegisterSetReport))]
[JsonSerializable(typeof(RoundRobinReport))]
[JsonSerializable(typeof(DummyReport))]
public sealed partial class SharingJson : JsonSerializerContext;
