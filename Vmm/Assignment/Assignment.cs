using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>One device of the host, and its way to a VM and back: a step each way, and a record of how far it is.</summary>
/// <remarks>
/// Each step refuses what does not fit, with a reason, and leaves everything as before then. <see cref="Assign"/> and
/// <see cref="TakeBack"/> take all steps in order, for all functions of its <see cref="Group"/>. What a step takes it
/// writes down before it changes anything: one that breaks off in the middle is undone by the next <see cref="TakeBack"/>.
/// </remarks>
public sealed partial class Assignment : IGuestDevice
{
    private readonly Host _host;
    private readonly Gate _steps = new();
    private HeaderImage? _header;
    private RealFunction? _real;
    private DeviceReach? _reach;
    private GuestPlug? _plug;

    internal Assignment(Host host, SourceId source) => (_host, Source) = (host, source);

    /// <summary>The device, by its place in the host's PCI hierarchy.</summary>
    public SourceId Source { get; }

    /// <summary>Under which source-id its requests reach the remapping unit: its own, or that of a bridge.</summary>
    public SourceId Requester => _host.Topology.RequesterOf(Source);

    /// <summary>The functions that it cannot be kept apart from.</summary>
    public DeviceGroup Group => _host.GroupOf(Source);

    /// <summary>How far it is.</summary>
    public AssignmentState State { get; private set; } = AssignmentState.Host;

    /// <summary>The driver of the host that has it in <see cref="AssignmentState.Host"/>; null where none has.</summary>
    public IHostDriver? Driver { get; set; }

    /// <summary>
    /// Whether the device is trusted to translate for itself (ATS) while a VM has it; it counts from the next assignment on. A
    /// trusted device that lies reaches all memory, so the default is that none is.
    /// </summary>
    public bool TrustsDeviceTlb { get; set; }

    /// <summary>Whether each access of the guest to its registers exits; to be chosen before the device is exposed.</summary>
    public bool TrapsRegisters { get; set; }

    /// <summary>Whether posted interrupts wake a guest that was preempted; to be chosen before the device is exposed.</summary>
    public bool IsUrgent { get; set; }

    /// <summary>Whether a step broke off in the middle; nothing but a take-back is possible then.</summary>
    public bool IsInterrupted { get; private set; }

    /// <summary>Whether it translates for itself now.</summary>
    public bool UsesDeviceTlb => _reach is { } reach && _host.Remapping.UsesDeviceTlb(reach.Source);

    /// <summary>Whether it lost everything: it is in quarantine, or on the way there since it did not forget translations when it was told to.</summary>
    public bool IsQuarantined => State == AssignmentState.Quarantined || (_reach is { } reach && _host.Remapping.Quarantined.Contains(reach.Source));

    /// <summary>The VM that it is on the way to, with, or on the way back from.</summary>
    public VirtualMachine? Machine => _reach?.Machine;

    /// <summary>Its place in the guest's PCI hierarchy while it is assigned, and the handle of its hypercalls.</summary>
    public SourceId GuestAddress => _plug?.GuestAddress ?? default;

    /// <summary>What the VM has mapped for it; null while nothing can be.</summary>
    public DmaMappings? Mappings => _reach?.Mappings;

    /// <summary>How it reaches memory that comes when it is touched; null where its VM has none such, or the device cannot ask for pages or is not trusted to translate.</summary>
    public LazyDevice? Lazy => _reach?.Lazy;

    /// <summary>What it reaches, as the remapping unit has it; null while it has none.</summary>
    public RemappingDomain? Domain => _reach?.Domain;

    /// <summary>The number of its domain in the remapping unit; null while it has none.</summary>
    public int? DomainId => _reach?.Domain.Id.Value;

    /// <summary>How many interrupts were passed on to the guest since it was assigned.</summary>
    public ulong InterruptsForwarded => _plug?.InterruptsForwarded ?? 0;

    /// <summary>Whether interrupts are posted now; else they are passed on.</summary>
    public bool IsPosted => _plug?.IsPosted ?? false;

    /// <summary>The BARs whose registers the guest reaches without an exit.</summary>
    public IReadOnlyList<int> MappedBars => _plug?.MappedBars ?? [];

    /// <summary>Whether a driver of the host could take the device to share it: nobody uses it, it is alone in its group, and firmware has no memory through it.</summary>
    internal bool IsUnused =>
        Check().IsDone && State == AssignmentState.Host && Driver is null && Group.Functions.Count == 1
        && !_host.Reserved.HasRegions(Source) && !_host.Remapping.IsAttached(Source);

    internal DeviceReach? Reach => _reach;

    /// <summary>Whether the device could be given to a VM, as far as the host can tell: it changes nothing.</summary>
    public AssignmentResult Check() => AssignmentRules.Check(_host, Source);

    /// <summary>Gives the device to a VM: all steps, or none. It must be alone in its group, bridges aside.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="guestAddress">Where in the guest's PCI hierarchy: bus 0, function 0.</param>
    public ValueTask<AssignmentResult> Assign(VirtualMachine machine, SourceId guestAddress)
    {
        AssignmentResult viable = AssignmentRules.CheckPlace(_host, Source);
        if (!viable.IsDone)
            return new(viable);
        DeviceGroup group = Group;
        return group.Functions.Count == 1 ? group.Assign(machine, [guestAddress]) : new(AssignmentRules.PartOfGroup(this, group));
    }

    /// <summary>Takes the device back from wherever it is on its way, with its group, and gives it to the driver of the host.</summary>
    /// <returns>The step that was refused.</returns>
    public ValueTask<AssignmentResult> TakeBack() => Group.TakeBack();

    /// <summary>Host to Detached: the driver of the host lets it go, and its requests stop.</summary>
    public ValueTask<AssignmentResult> Detach() => Step(AssignmentState.Host, async () =>
    {
        AssignmentResult viable = Check();
        if (!viable.IsDone)
            return viable;
        _header = new(_host.Configuration.Open(Source));
        if (Driver is { } driver && !await driver.Release())
            return Refuse(AssignmentRefusal.DriverRefused, $"the host is using {Source}");
        try
        {
            _real = new(_host, Source, _header);
        }
        catch (DeviceException exception)
        {
            // Without knowing its BARs, nobody but the host can have it.
            _ = Driver is { } again && await again.Take();
            return Refuse(AssignmentRefusal.Malformed, exception.Message);
        }

        _real.SetBusMaster(false);
        await _host.Reserved.Close(Source);
        return Move(AssignmentState.Detached);
    });

    /// <summary>Detached or Quarantined to Clean: nothing of the last owner is left in it.</summary>
    public ValueTask<AssignmentResult> Reset()
    {
        return State is AssignmentState.Detached or AssignmentState.Quarantined ? Step(State, Clean) : new(WrongState(AssignmentState.Detached));

        async Task<AssignmentResult> Clean()
        {
            AssignmentResult result = await TryReset();
            if (result.Refusal == AssignmentRefusal.ResetFailed)
                await BlockAll();
            return result.IsDone ? Move(AssignmentState.Clean) : result;
        }
    }

    /// <summary>Clean to Isolated: a domain with nothing in it, and the context entry that leads there.</summary>
    /// <param name="machine">The VM; the other functions of the group are on the way to it, or with nobody.</param>
    public ValueTask<AssignmentResult> Isolate(VirtualMachine machine) => Step(AssignmentState.Clean, async () =>
    {
        if (!machine.IsRunning)
            return Refuse(AssignmentRefusal.NoMachine, $"{machine.Name} has ended");
        AssignmentResult viable = AssignmentRules.CheckIsolation(_host, this, machine);
        if (!viable.IsDone)
            return viable;
        if (AssignmentRules.ReachUnderSameName(_host, this) is { } shared)
        {
            _reach = shared.Share();
            return Move(AssignmentState.Isolated);
        }

        try
        {
            _reach = new(_host, Requester, machine);
        }
        catch (DeviceException exception)
        {
            return Refuse(AssignmentRefusal.NoDomain, exception.Message);
        }

        if (!await _reach.TryOpen(_real!, TrustsDeviceTlb, _host.Reserved.KeptFor(Source)))
        {
            _reach = null;
            return Refuse(AssignmentRefusal.NoDomain, $"no frame is left for the tables of {Source}");
        }

        return Move(AssignmentState.Isolated);
    });

    /// <summary>Isolated to Assigned: plugged into the guest's PCI hierarchy, registers and interrupt included.</summary>
    /// <param name="guestAddress">Where: bus 0, function 0, a free device number.</param>
    public ValueTask<AssignmentResult> Expose(SourceId guestAddress) => Step(AssignmentState.Isolated, async () =>
    {
        // What the guest's own remapping unit says of the device holds from the moment when the guest sees it.
        if (_reach!.Requester is { } requester)
            await requester.Connect(guestAddress);
        _plug = new(this, _real!, Machine!);
        AssignmentResult result = await _plug.Plug(_host, guestAddress);
        if (result.IsDone)
            return Move(AssignmentState.Assigned);
        _plug.Unplug();
        await _plug.ReturnInterrupt();
        _plug = null;
        if (_reach.Requester is { } unused)
            await unused.Disconnect();
        return result;
    });

    /// <summary>Assigned to Withdrawn: the guest does not see it any more, and its requests stop.</summary>
    public ValueTask<AssignmentResult> Withdraw() => Step(AssignmentState.Assigned, async () =>
    {
        _plug!.Unplug();
        _real!.SetBusMaster(false);
        if (_reach!.Requester is { } requester)
            await requester.Disconnect();
        return Move(AssignmentState.Withdrawn);
    });

    /// <summary>Withdrawn, or Isolated when it goes no further, to Quiet: it sends nothing, and holds nothing of the guest.</summary>
    public ValueTask<AssignmentResult> Quiesce()
    {
        return State is AssignmentState.Withdrawn or AssignmentState.Isolated ? Step(State, Stop) : new(WrongState(AssignmentState.Withdrawn));

        async Task<AssignmentResult> Stop()
        {
            await Silence();
            AssignmentResult result = await TryReset();
            if (result.Refusal == AssignmentRefusal.ResetFailed)
                await BlockAll();
            return result.IsDone ? Move(AssignmentState.Quiet) : result;
        }
    }

    /// <summary>Quiet to Clean: no mapping, no pin, no context entry and no domain is left.</summary>
    public ValueTask<AssignmentResult> Release() => Step(AssignmentState.Quiet, async () =>
    {
        await CloseReach();
        return Move(AssignmentState.Clean);
    });

    /// <summary>Clean, or Detached when it goes no further, to Host. No function of its group is with a VM.</summary>
    public ValueTask<AssignmentResult> Return()
    {
        return State is AssignmentState.Clean or AssignmentState.Detached ? Step(State, GiveBack) : new(WrongState(AssignmentState.Clean));

        async Task<AssignmentResult> GiveBack()
        {
            AssignmentResult viable = AssignmentRules.CheckReturn(this);
            if (!viable.IsDone)
                return viable;
            await _host.Reserved.Open(Source);
            if (Driver is { } driver && !await driver.Take())
                return Refuse(AssignmentRefusal.DriverRefused, $"the driver of the host does not take {Source}");
            (_real, _header) = (null, null);
            return Move(AssignmentState.Host);
        }
    }

    /// <summary>From wherever it is away from the host to Quarantined: nobody has it, and nothing of it gets out, until a reset succeeds.</summary>
    public async ValueTask<AssignmentResult> Quarantine()
    {
        await _steps.Enter();
        try
        {
            if (_real is null || State is AssignmentState.Host or AssignmentState.Quarantined)
                return WrongState(AssignmentState.Assigned);
            await BlockAll();
            return AssignmentResult.Done;
        }
        catch
        {
            IsInterrupted = true;
            throw;
        }
        finally
        {
            _steps.Leave();
        }
    }

    private static AssignmentResult Refuse(AssignmentRefusal refusal, string reason) => new(refusal, reason);

    private AssignmentResult WrongState(AssignmentState needed) =>
        Refuse(AssignmentRefusal.WrongState, $"{Source} is in state {State}, and this step begins in {needed}");

    private AssignmentResult Move(AssignmentState next)
    {
        State = next;
        return AssignmentResult.Done;
    }

    // One step at a time: a second one waits, and finds the state that the first one left. A step that ends by an
    // exception has not come to its end: only a take-back knows how to go on from there.
    private async ValueTask<AssignmentResult> Step(AssignmentState from, Func<Task<AssignmentResult>> step)
    {
        await _steps.Enter();
        try
        {
            if (IsInterrupted)
                return Refuse(AssignmentRefusal.Interrupted, $"a step of {Source} from state {State} broke off in the middle");
            return State == from ? await step() : WrongState(from);
        }
        catch
        {
            IsInterrupted = true;
            throw;
        }
        finally
        {
            _steps.Leave();
        }
    }

    private async ValueTask<AssignmentResult> TryReset()
    {
        AssignmentResult viable = AssignmentRules.CheckReset(_host, Source, _real!.Reset);
        if (!viable.IsDone)
            return viable;
        if (!AssignmentRules.CheckPlace(_host, Source).IsDone)
            return Refuse(AssignmentRefusal.ResetFailed, $"{Source} does not answer");
        _real.SetBusMaster(false);
        try
        {
            await _real.Reset.Perform();
        }
        catch (DeviceException)
        {
            return Refuse(AssignmentRefusal.ResetFailed, $"{Source} did not come back from its reset");
        }

        foreach (SourceId other in _real.Reset.Others)
            _host.FindAssignment(other)?.RestoreAfterReset();
        _real.Restore();
        return AssignmentResult.Done;
    }

    private async ValueTask Silence()
    {
        _real!.SetBusMaster(false);
        _real.AllowRequests(0);
        _real.SendTo(null);
        if (_plug is { } plug)
            await plug.ReturnInterrupt();
        _plug = null;
    }

    // Nobody waits for a device that does not answer: what it had is taken from it, and its requests stay blocked.
    private async ValueTask BlockAll()
    {
        _plug?.Unplug();
        if (_real is not null)
            await Silence();
        await CloseReach();
        State = AssignmentState.Quarantined;
    }

    private async ValueTask CloseReach()
    {
        if (_reach is { } reach)
            await reach.Close();
        _reach = null;
    }
}
