using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>One device of the host, and its way to a VM and back: a step each way, and a record of how far it is.</summary>
/// <remarks>
/// Each step refuses what does not fit, with a reason, and leaves everything as before then. <see cref="Assign"/> and
/// <see cref="TakeBack"/> take all steps in order; the first undoes what it did when a later step is refused.
/// </remarks>
public sealed class Assignment
{
    private const int MultiFunctionBit = 0x80;
    private const int StepsMax = 16;

    private readonly Host _host;
    private readonly Gate _journeys = new();
    private readonly Gate _steps = new();
    private readonly List<(int Offset, ulong Address)> _bars = [];
    private RealFunction? _real;
    private DeviceReach? _reach;
    private AssignedFunction? _function;
    private InterruptForwarder? _forwarder;
    private DeviceInterrupt? _interrupt;

    internal Assignment(Host host, SourceId source) => (_host, Source) = (host, source);

    /// <summary>The device, by its place in the host's PCI hierarchy: the requester of all it sends.</summary>
    public SourceId Source { get; }

    /// <summary>How far it is.</summary>
    public AssignmentState State { get; private set; } = AssignmentState.Host;

    /// <summary>The driver of the host that has it in <see cref="AssignmentState.Host"/>; null where none has.</summary>
    public IHostDriver? Driver { get; set; }

    /// <summary>
    /// Whether the device is trusted to translate for itself (ATS) while a VM has it; it counts from the next assignment on. A
    /// trusted device that lies reaches all memory, so the default is that none is.
    /// </summary>
    public bool TrustsDeviceTlb { get; set; }

    /// <summary>Whether it translates for itself now.</summary>
    public bool UsesDeviceTlb => _reach is not null && _host.Remapping.UsesDeviceTlb(Source);

    /// <summary>Whether it lost everything since it did not forget translations when it was told to; it can still be taken back.</summary>
    public bool IsQuarantined => _reach is not null && _host.Remapping.Quarantined.Contains(Source);

    /// <summary>The VM that it is on the way to, with, or on the way back from.</summary>
    public VirtualMachine? Machine => _reach?.Machine;

    /// <summary>Its place in the guest's PCI hierarchy while it is assigned, and the handle of its hypercalls.</summary>
    public SourceId GuestAddress { get; private set; }

    /// <summary>What the VM has mapped for it; null while nothing can be.</summary>
    public DmaMappings? Mappings => _reach?.Mappings;

    /// <summary>How it reaches memory that comes when it is touched; null where its VM has none such, or the device cannot ask for pages or is not trusted to translate.</summary>
    public LazyDevice? Lazy => _reach?.Lazy;

    /// <summary>What it reaches, as the remapping unit has it; null while it has none.</summary>
    public RemappingDomain? Domain => _reach?.Domain;

    /// <summary>The number of its domain in the remapping unit; null while it has none.</summary>
    public int? DomainId => _reach?.Domain.Id.Value;

    /// <summary>How many interrupts were passed on to the guest since it was assigned.</summary>
    public ulong InterruptsForwarded => _forwarder?.Forwarded ?? 0;

    /// <summary>Whether interrupts are posted now; else they are passed on.</summary>
    public bool IsPosted => _interrupt?.IsPosted ?? false;

    /// <summary>Whether posted interrupts wake a guest that was preempted; to be chosen before the device is exposed.</summary>
    public bool IsUrgent { get; set; }

    /// <summary>The BARs whose registers the guest reaches without an exit.</summary>
    public IReadOnlyList<int> MappedBars => _function is { } function ? [.. function.MappedBars] : [];

    /// <summary>Whether the device could be given to a VM, as far as the host can tell: it changes nothing.</summary>
    public AssignmentResult Check()
    {
        IConfigurationAccess space = _host.Configuration.Open(Source);
        if (space.Read16(PciOffset.VendorId) == ushort.MaxValue)
            return Refuse(AssignmentRefusal.NotThere, $"no function answers at {Source}");
        byte header = space.Read8(PciOffset.HeaderType);
        if ((header & ~MultiFunctionBit) != 0)
            return Refuse(AssignmentRefusal.Bridge, $"{Source} is a bridge");
        if ((header & MultiFunctionBit) != 0)
            return Refuse(AssignmentRefusal.SeveralFunctions, $"{Source} is one of several functions of its device");
        try
        {
            if (_host.Topology.SharesRequester(Source.Bus))
                return Refuse(AssignmentRefusal.SharedRequester, $"{Source} is behind a bridge that makes its requests its own");
            return DeviceReset.TryFind(_host, Source) is not null
                ? AssignmentResult.Done
                : Refuse(AssignmentRefusal.NoReset, $"{Source} cannot reset itself, and its bus has others on it or no bridge above");
        }
        catch (DeviceException exception)
        {
            return Refuse(AssignmentRefusal.Malformed, exception.Message);
        }
    }

    /// <summary>Gives the device to a VM: all steps, or none.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="guestAddress">Where in the guest's PCI hierarchy: bus 0, function 0.</param>
    public async ValueTask<AssignmentResult> Assign(VirtualMachine machine, SourceId guestAddress)
    {
        await _journeys.Enter();
        try
        {
            AssignmentResult result = await Detach();
            if (!result.IsDone)
                return result;
            result = await Reset();
            if (result.IsDone)
                result = await Isolate(machine);
            if (result.IsDone)
                result = await Expose(guestAddress);
            if (!result.IsDone)
                _ = await StepBack();
            return result;
        }
        finally
        {
            _journeys.Leave();
        }
    }

    /// <summary>Takes the device back from wherever it is on its way, and gives it to the driver of the host.</summary>
    /// <returns>The step that was refused.</returns>
    public async ValueTask<AssignmentResult> TakeBack()
    {
        await _journeys.Enter();
        try
        {
            return await StepBack();
        }
        finally
        {
            _journeys.Leave();
        }
    }

    /// <summary>Host to Detached: the driver of the host lets it go, and its requests stop.</summary>
    public ValueTask<AssignmentResult> Detach() => Step(AssignmentState.Host, async () =>
    {
        AssignmentResult viable = Check();
        if (!viable.IsDone)
            return viable;
        if (Driver is { } driver && !await driver.Release())
            return Refuse(AssignmentRefusal.DriverRefused, $"the host is using {Source}");
        try
        {
            _real = new(_host, Source);
        }
        catch (DeviceException exception)
        {
            // Without knowing its BARs, nobody but the host can have it.
            _ = Driver is { } again && await again.Take();
            return Refuse(AssignmentRefusal.Malformed, exception.Message);
        }

        _real.SetBusMaster(false);
        return Move(AssignmentState.Detached);
    });

    /// <summary>Detached to Clean: nothing of the last owner is left in it.</summary>
    public ValueTask<AssignmentResult> Reset() => Step(AssignmentState.Detached, async () =>
        await TryReset() ? Move(AssignmentState.Clean) : await Fail());

    /// <summary>Clean to Isolated: a domain with nothing in it, and the context entry that leads there.</summary>
    public ValueTask<AssignmentResult> Isolate(VirtualMachine machine) => Step(AssignmentState.Clean, async () =>
    {
        if (!machine.IsRunning)
            return Refuse(AssignmentRefusal.NoMachine, $"{machine.Name} has ended");
        try
        {
            _reach = new(_host, Source, machine);
        }
        catch (DeviceException exception)
        {
            return Refuse(AssignmentRefusal.NoDomain, exception.Message);
        }

        if (!await _reach.TryOpen(_real!, TrustsDeviceTlb))
        {
            _reach = null;
            return Refuse(AssignmentRefusal.NoDomain, $"no frame is left for the context table of bus {Source.Bus:x2}");
        }

        return Move(AssignmentState.Isolated);
    });

    /// <summary>Isolated to Assigned: plugged into the guest's PCI hierarchy, registers and interrupt included.</summary>
    /// <param name="guestAddress">Where: bus 0, function 0, a free device number.</param>
    public ValueTask<AssignmentResult> Expose(SourceId guestAddress) => Step(AssignmentState.Isolated, async () =>
    {
        if (PostedInterrupts.Prepare(Machine!) is { } missing)
            return Refuse(AssignmentRefusal.NotPosted, missing);
        if (_real!.HasMessages)
        {
            _interrupt = await DeviceInterrupt.TryTake(_host, Source);
            if (_interrupt is null)
                return Refuse(AssignmentRefusal.NoVector, "all interrupt vectors of the host are in use");
        }

        AssignmentResult result = Plug(Machine!, guestAddress);
        if (!result.IsDone)
            await ReturnInterrupt();
        return result;
    });

    /// <summary>Assigned to Withdrawn: the guest does not see it any more, and its requests stop.</summary>
    public ValueTask<AssignmentResult> Withdraw() => Step(AssignmentState.Assigned, () =>
    {
        Machine!.Remove(this);
        Machine.Pci.Root.Remove(_function!);
        ReturnBars(Machine);
        (_function, GuestAddress) = (null, default);
        return Task.FromResult(Move(AssignmentState.Withdrawn));
    });

    /// <summary>Withdrawn, or Isolated when it goes no further, to Quiet: it sends nothing, and holds nothing of the guest.</summary>
    public ValueTask<AssignmentResult> Quiesce()
    {
        return State is AssignmentState.Withdrawn or AssignmentState.Isolated ? Step(State, Stop) : new(WrongState(AssignmentState.Withdrawn));

        async Task<AssignmentResult> Stop()
        {
            _real!.SetBusMaster(false);
            _real.AllowRequests(0);
            _real.SendTo(null);
            _forwarder?.Stop();
            _forwarder = null;
            await ReturnInterrupt();
            return await TryReset() ? Move(AssignmentState.Quiet) : await Fail();
        }
    }

    /// <summary>Quiet to Clean: no mapping, no pin, no context entry and no domain is left.</summary>
    public ValueTask<AssignmentResult> Release() => Step(AssignmentState.Quiet, async () =>
    {
        await CloseReach();
        return Move(AssignmentState.Clean);
    });

    /// <summary>Clean, or Detached when it goes no further, to Host.</summary>
    public ValueTask<AssignmentResult> Return()
    {
        return State is AssignmentState.Clean or AssignmentState.Detached ? Step(State, GiveBack) : new(WrongState(AssignmentState.Clean));

        async Task<AssignmentResult> GiveBack()
        {
            if (Driver is { } driver && !await driver.Take())
                return Refuse(AssignmentRefusal.DriverRefused, $"the driver of the host does not take {Source}");
            _real = null;
            return Move(AssignmentState.Host);
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

    // Step by step, from whatever state a step that someone else takes by hand leaves meanwhile.
    private async ValueTask<AssignmentResult> StepBack()
    {
        AssignmentResult result = AssignmentResult.Done;
        for (int step = 0; step < StepsMax && State is not (AssignmentState.Host or AssignmentState.Broken); step++)
        {
            result = await (State switch
            {
                AssignmentState.Assigned => Withdraw(),
                AssignmentState.Withdrawn or AssignmentState.Isolated => Quiesce(),
                AssignmentState.Quiet => Release(),
                _ => Return(),
            });
            if (result.Refusal is not (AssignmentRefusal.None or AssignmentRefusal.WrongState))
                break;
        }

        return result;
    }

    // One step at a time: a second one waits, and finds the state that the first one left.
    private async ValueTask<AssignmentResult> Step(AssignmentState from, Func<Task<AssignmentResult>> step)
    {
        await _steps.Enter();
        try
        {
            return State == from ? await step() : WrongState(from);
        }
        finally
        {
            _steps.Leave();
        }
    }

    private async ValueTask<bool> TryReset()
    {
        _real!.SetBusMaster(false);
        try
        {
            await _real.Reset.Perform();
        }
        catch (DeviceException)
        {
            return false;
        }

        _real.Restore();
        return true;
    }

    // Nobody waits for a device that does not answer: what it had is taken from it, and its requests stay blocked.
    private async ValueTask<AssignmentResult> Fail()
    {
        await CloseReach();
        State = AssignmentState.Broken;
        return Refuse(AssignmentRefusal.ResetFailed, $"{Source} did not come back from its reset");
    }

    private async ValueTask ReturnInterrupt()
    {
        if (_interrupt is { } interrupt)
            await interrupt.Return();
        _interrupt = null;
    }

    private async ValueTask CloseReach()
    {
        if (_reach is { } reach)
            await reach.Close();
        _reach = null;
    }

    private AssignmentResult Plug(VirtualMachine machine, SourceId guestAddress)
    {
        if (!machine.IsRunning)
            return Refuse(AssignmentRefusal.NoMachine, $"{machine.Name} has ended");
        if (guestAddress.Bus != 0 || guestAddress.Function != 0 || machine.Pci.Find(guestAddress) is not null)
            return Refuse(AssignmentRefusal.GuestPlace, $"{guestAddress} of {machine.Name} is taken or no place for a device");
        if (!TryPlaceBars(machine))
            return Refuse(AssignmentRefusal.GuestPlace, $"{machine.Name} has no room for the BARs of {Source}");
        _function = new(_real!, machine.Memory);
        if (_interrupt is { } interrupt)
        {
            _forwarder = new(_function, machine, interrupt.Signal);
            _forwarder.Run();
            if (machine.Schedule.Posting is { } posting)
                _function.MessageMoved = message => interrupt.Follow(posting.TargetOf(message, IsUrgent), _real!);
            _real!.SendTo(interrupt.Message);
        }

        GuestAddress = guestAddress;
        machine.Pci.Add(_function, guestAddress.Device);
        foreach ((int offset, ulong address) in _bars)
            machine.Pci.WriteConfiguration(guestAddress, offset, 4, (uint)address);

        machine.Add(this);
        return Move(AssignmentState.Assigned);
    }

    // As firmware would: places where the guest finds the registers, until it moves them.
    private bool TryPlaceBars(VirtualMachine machine)
    {
        foreach (PciBarInfo bar in _real!.Bars)
        {
            if (!machine.BarPlaces.TryTake(bar.Length, out ulong address))
            {
                ReturnBars(machine);
                return false;
            }

            _bars.Add((PciOffset.Bar0 + (4 * bar.Index), address));
        }

        return true;
    }

    private void ReturnBars(VirtualMachine machine)
    {
        foreach ((_, ulong address) in _bars)
            machine.BarPlaces.Return(address);
        _bars.Clear();
    }
}
