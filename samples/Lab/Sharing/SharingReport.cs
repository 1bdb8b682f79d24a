using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>What came of several VMs that gave their devices addresses at the same time.</summary>
/// <param name="Replaced">Whether the controller replaced addresses.</param>
/// <param name="Assignment">Who chose them.</param>
/// <param name="Vms">What came of each VM.</param>
/// <param name="Addresses">The mapping, when all were done.</param>
/// <param name="AddressZero">Who had address 0, one after the other.</param>
/// <param name="Tokens">A few tokens of each VM, with both addresses.</param>
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
    IReadOnlyList<string> Tokens,
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
public sealed record AddressOutcome(string Name, bool ReadsOwnDisk, string Outcome, ulong EnumerationNs);

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
/// <param name="Policy">How asynchronous time was shared out.</param>
/// <param name="WindowNs">For how long it was measured.</param>
/// <param name="Vms">What each had.</param>
/// <param name="Jain">Jain's index of their bus time.</param>
/// <param name="PeriodicLoadMax">The largest part of the periodic time of a microframe that was used.</param>
/// <param name="Strip">Whose the bus was in some microframes in a row.</param>
/// <param name="Microframe">The uses of the last whole microframe, in order.</param>
public sealed record RegisterSetReport(
    string Policy,
    ulong WindowNs,
    IReadOnlyList<SetSummary> Vms,
    double Jain,
    double PeriodicLoadMax,
    BusStrip Strip,
    IReadOnlyList<MicroframeUse> Microframe)
{
    /// <summary>Whether every VM was served.</summary>
    public bool IsFair => Vms.All(vm => vm.BusNs != 0);
}

/// <summary>What one VM had of the bus.</summary>
/// <param name="Name">The VM.</param>
/// <param name="IsGreedy">Whether it takes all it can get.</param>
/// <param name="Weight">How much more than others it shall have, where the policy weighs.</param>
/// <param name="BusNs">Its bus time.</param>
/// <param name="Visits">Its visits to queue heads.</param>
/// <param name="BytesRead">What it read from its disk.</param>
/// <param name="GapNsMax">The longest time that it waited.</param>
public sealed record SetSummary(string Name, bool IsGreedy, int Weight, ulong BusNs, ulong Visits, ulong BytesRead, ulong GapNsMax);

/// <summary>How the reports become JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(AddressReport))]
[JsonSerializable(typeof(RegisterSetReport))]
[JsonSerializable(typeof(RoundRobinReport))]
[JsonSerializable(typeof(DummyReport))]
public sealed partial class SharingJson : JsonSerializerContext;
