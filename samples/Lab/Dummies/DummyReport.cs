namespace Dma.Lab;

/// <summary>What came of VMs that stream over one bus, each with dummies for the devices of the others.</summary>
/// <param name="Without">What was left out; empty for nothing.</param>
/// <param name="Liar">The VM that sends what it never asked for; empty where none does.</param>
/// <param name="Vms">What came of each VM.</param>
/// <param name="Dummies">Dummy devices: those of each VM for the devices of all others.</param>
/// <param name="PromisedNs">What all VMs were promised of each microframe.</param>
/// <param name="FreeNs">What could still be promised.</param>
/// <param name="Granted">The steps of the first request that was granted.</param>
/// <param name="Refused">The steps of the first request that was refused; none where none was.</param>
/// <param name="Strip">Whose the bus was in some microframes in a row.</param>
/// <param name="OverAllocation">The largest part of the 100 microseconds for periodic work that was promised.</param>
/// <param name="PeriodicLoadMax">The largest part of them that was used in a microframe.</param>
/// <param name="Requests">Requests for more time that were granted.</param>
/// <param name="Refusals">Requests that were refused.</param>
/// <param name="FalseRefusals">Those of them for which the bus had time, but another VM's view had none.</param>
/// <param name="MessagesPerChange">Notices for each change of what a device has.</param>
/// <param name="SetupNsMean">How long a request that was granted was held, on average.</param>
/// <param name="SetupNsMax">The longest.</param>
/// <param name="IsRestored">Whether all views were as before when all streams had ended.</param>
/// <param name="Other">The same with dummies where this has none, and without where it has them; null where that was not run.</param>
public sealed record DummyReport(
    string Without,
    string Liar,
    IReadOnlyList<DummyVm> Vms,
    int Dummies,
    uint PromisedNs,
    uint FreeNs,
    IReadOnlyList<DummyMessage> Granted,
    IReadOnlyList<DummyMessage> Refused,
    BusStrip Strip,
    double OverAllocation,
    double PeriodicLoadMax,
    ulong Requests,
    ulong Refusals,
    ulong FalseRefusals,
    double MessagesPerChange,
    ulong SetupNsMean,
    ulong SetupNsMax,
    bool IsRestored,
    DummyContrast? Other)
{
    /// <summary>What looks at the structures of all lists may take of each microframe.</summary>
    public uint LooksNs => 100_000 - Math.Min(100_000, PromisedNs + FreeNs);

    /// <summary>The part of the slots of all streams that was missed.</summary>
    public double MissRate => Vms.Sum(vm => (double)vm.SlotsDue) is var due && due == 0 ? 0 : Vms.Sum(vm => (double)vm.SlotsMissed) / due;

    /// <summary>Whether nothing was promised twice, no stream missed a slot, and nothing was left behind.</summary>
    public bool IsClean => OverAllocation <= 1 && MissRate == 0 && IsRestored;
}

/// <summary>What came of the same with dummies, or without.</summary>
/// <param name="HasDummies">Whether it had dummies.</param>
/// <param name="OverAllocation">The largest part of the 100 microseconds for periodic work that was promised.</param>
/// <param name="MissRate">The part of the slots of all streams that was missed.</param>
public sealed record DummyContrast(bool HasDummies, double OverAllocation, double MissRate);

/// <summary>What came of one VM.</summary>
/// <param name="Name">The VM.</param>
/// <param name="AskedBytes">What its stream was to have, in bytes of each microframe.</param>
/// <param name="Bytes">What it has.</param>
/// <param name="OwnNs">What its driver has reserved for its own devices, the most of any microframe.</param>
/// <param name="MirroredNs">What it has reserved for those of others.</param>
/// <param name="SlotsDue">Slots of its stream that were due.</param>
/// <param name="SlotsMissed">How many of them nothing was moved in.</param>
public sealed record DummyVm(string Name, int AskedBytes, int Bytes, uint OwnNs, uint MirroredNs, ulong SlotsDue, ulong SlotsMissed)
{
    /// <summary>What its driver believes to be free in the fullest microframe.</summary>
    public uint BelievesFreeNs => 100_000 - Math.Min(100_000, OwnNs + MirroredNs);
}

/// <summary>A message of a reservation.</summary>
/// <param name="AtNs">When, since the request came.</param>
/// <param name="From">Who says it: a VM, or the VMM.</param>
/// <param name="To">To whom.</param>
/// <param name="Text">What it says.</param>
public sealed record DummyMessage(ulong AtNs, string From, string To, string Text);
