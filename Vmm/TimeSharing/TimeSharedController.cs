using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>One USB controller that VMs have whole, one after the other: the VMM saves its state and restores that of the next (round robin).</summary>
/// <remarks>
/// <code>
///    VM 1   |== run ==|                              |== run ==|
///    VM 2             | quiesce save switch load |== run ==|
/// </code>
/// During its turn a VM has the real registers and full speed. The controller has one requester id: the context entry follows the turn.
/// Each VM has root ports of its own, whose devices keep their state behind gates while others have the controller.
/// Drivers need no change. The controller stays with the host, whose driver this is, as far as its <see cref="Assignment"/> is concerned.
/// </remarks>
public sealed class TimeSharedController : IHostDriver
{
    private readonly Host _host;
    private readonly RealFunction _real;
    private readonly ITurnHardware _hardware;
    private readonly TimeSharingOptions _options;
    private readonly ControllerSwitch _switch;
    private readonly TurnClock _clock;
    private readonly Assignment _assignment;
    private readonly List<ControllerTenant> _tenants = [];
    private readonly Gate _gate = new();
    private readonly Signal _woken;
    private ControllerTenant? _owner;
    private int _next;
    private bool _isStopped;

    private TimeSharedController(Host host, Assignment assignment, RealFunction real, ITurnHardware hardware, TimeSharingOptions options)
    {
        (_host, _assignment, _real, _hardware, _options) = (host, assignment, real, hardware, options);
        _woken = new(host.Loop);
        _clock = new(host.Loop, options.Observer);
        _switch = new(host, assignment.Source, real, hardware, options, _clock);
    }

    /// <summary>The controller, by its place in the host's PCI hierarchy.</summary>
    public SourceId Source => _assignment.Source;

    /// <summary>Root ports.</summary>
    public int PortCount => _hardware.PortCount;

    /// <summary>The VM whose turn it is; null between turns, and where none has any work.</summary>
    public VirtualMachine? Owner => _owner?.Machine;

    /// <summary>The VMs, in the order of their turns.</summary>
    public IReadOnlyList<VirtualMachine> Machines => [.. _tenants.Select(tenant => tenant.Machine)];

    /// <summary>Whether it was lost: it was pulled out, or did not come back from a reset. No VM sees it any more.</summary>
    public bool IsLost { get; private set; }

    /// <summary>What is left out of each switch from now on; first <see cref="TimeSharingOptions.Without"/>.</summary>
    public SwitchSteps Without
    {
        get => _switch.Without;
        set => _switch.Without = value;
    }

    /// <summary>Takes a controller over from the host.</summary>
    /// <param name="host">A host that was booted.</param>
    /// <param name="source">Where it is: an EHCI or xHCI controller with port gates, which the host does not use.</param>
    /// <param name="options">How it is shared.</param>
    /// <returns><c>null</c> where it cannot be: there is no such controller, it is in use or part of a group, or firmware uses memory through it.</returns>
    /// <exception cref="DeviceException">Its configuration space is malformed, or it does not react.</exception>
    public static async ValueTask<TimeSharedController?> Start(Host host, SourceId source, TimeSharingOptions? options = null)
    {
        TimeSharingOptions chosen = TimeSharingOptions.Check(options);
        Assignment assignment = host.AssignmentOf(source);
        if (!assignment.IsUnused)
            return null;
        RealFunction real = new(host, source, new(host.Configuration.Open(source)));
        real.Restore();
        if (TurnHardware.TryOpen(real) is not { } hardware)
            return null;
        TimeSharedController controller = new(host, assignment, real, hardware, chosen);
        assignment.Driver = controller;
        if (!await controller._switch.Prepare())
        {
            assignment.Driver = null;
            throw new DeviceException($"{source} does not reset.");
        }

        host.Loop.Start(controller.Serve);
        return controller;
    }

    /// <summary>Lets a VM have the controller in turns.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="guestAddress">Where in the guest's PCI hierarchy: bus 0, function 0.</param>
    /// <param name="ports">Root ports that are its own, from 1 on.</param>
    /// <returns>Done, or why not; nothing changed then.</returns>
    public async ValueTask<AssignmentResult> Give(VirtualMachine machine, SourceId guestAddress, params IReadOnlyList<int> ports)
    {
        await _gate.Enter();
        try
        {
            if (Refusal(machine, ports) is { } refusal)
                return refusal;
            (ControllerTenant? tenant, AssignmentResult result) = await ControllerTenant.TryCreate(
                this, machine, guestAddress, _real, _hardware, RootPorts.Mask(ports), _woken.Raise);
            if (tenant is not null)
                _tenants.Add(tenant);
            return result;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Takes a VM out of the round, whatever it was doing; nothing happens where it is not in it.</summary>
    /// <param name="machine">The VM.</param>
    public async ValueTask TakeBack(VirtualMachine machine)
    {
        await _gate.Enter();
        try
        {
            if (Find(machine) is { } tenant)
                await Remove(tenant);
        }
        finally
        {
            _gate.Leave();
        }

        _woken.Raise();
    }

    /// <summary>Ends the stretch of time that goes on, so that the observer knows of it.</summary>
    public void EndSpan() => _clock.Begin(_clock.Phase, Owner);

    /// <summary>The registers of a VM as its state region holds them: as they were when its last turn ended, and as it changed them since.</summary>
    /// <param name="machine">A VM that has the controller in turns.</param>
    public IControllerState StateOf(VirtualMachine machine) => TenantOf(machine).Image.Saved;

    /// <summary>Bytes of the state region of a VM that a switch writes, and reads again.</summary>
    /// <param name="machine">A VM that has the controller in turns.</param>
    public int StateBytesOf(VirtualMachine machine) => TenantOf(machine).StateBytes;

    /// <summary>Whether a VM reaches the registers without an exit now.</summary>
    /// <param name="machine">A VM that has the controller in turns.</param>
    public bool IsMapped(VirtualMachine machine) => TenantOf(machine).Function.IsMapped;

    /// <summary>How many interrupts of the controller were passed on to a VM.</summary>
    /// <param name="machine">A VM that has the controller in turns.</param>
    public ulong InterruptsForwarded(VirtualMachine machine) => TenantOf(machine).InterruptsForwarded;

    /// <inheritdoc/>
    public async ValueTask<bool> Release()
    {
        if (_tenants.Count != 0)
            return false;
        _isStopped = true;
        await _switch.Close();
        _assignment.Driver = null;
        return true;
    }

    /// <inheritdoc/>
    public ValueTask<bool> Take() => new(false);

    private ControllerTenant? Find(VirtualMachine machine) => _tenants.Find(tenant => tenant.Machine == machine);

    private ControllerTenant TenantOf(VirtualMachine machine) =>
        Find(machine) ?? throw new ArgumentException($"{machine} does not have the controller in turns.", nameof(machine));

    private AssignmentResult? Refusal(VirtualMachine machine, IReadOnlyList<int> ports)
    {
        if (_isStopped)
            return new(AssignmentRefusal.NotThere, $"{Source} is not shared any more");
        if (!machine.IsRunning)
            return new(AssignmentRefusal.NoMachine, $"{machine.Name} has ended");
        if (Find(machine) is not null)
            return new(AssignmentRefusal.WrongState, $"{machine.Name} has {Source} already");
        if (machine.Iommu is not null)
            return new(AssignmentRefusal.Untranslated, $"{machine.Name} has a remapping unit of its own, whose tables nobody switches");
        if (machine.Mapping.Policy == MappingPolicy.Untranslated)
            return new(AssignmentRefusal.Untranslated, $"{Source} would reach all memory of the host");
        if (!RootPorts.AreThere(ports, PortCount))
            return new(AssignmentRefusal.NotThere, $"{Source} has root ports 1 to {PortCount}");
        return _tenants.Find(tenant => (tenant.Image.Ports & RootPorts.Mask(ports)) != 0) is { } other
            ? new(AssignmentRefusal.GroupInUse, $"a port is that of {other.Machine.Name}")
            : null;
    }

    // The task of the VMM that gives turns, for as long as the controller is there.
    private async Task Serve()
    {
        while (!_isStopped)
        {
            await _gate.Enter();
            try
            {
                if (_hardware.IsGone)
                    await Lose();
                else if (Choose() is { } next && next != _owner)
                    await MoveTo(next);
            }
            finally
            {
                _gate.Leave();
            }

            await (_owner is { } owner ? Run(owner) : Idle());
        }
    }

    // The next one with a turn to take; the VM that has it where no other one does.
    private ControllerTenant? Choose()
    {
        for (int step = 0; step < _tenants.Count; step++)
        {
            ControllerTenant tenant = _tenants[(_next + step) % _tenants.Count];
            if (tenant != _owner && Wants(tenant))
                return tenant;
        }

        return _owner;
    }

    private bool Wants(ControllerTenant tenant) => _options.IsWorkConserving ? tenant.Image.HasDemand : tenant.Image.NeedsController;

    private async ValueTask MoveTo(ControllerTenant next)
    {
        if (_owner is not null && !await Vacate())
            return;

        // Whatever becomes of its turn, the one after it is next.
        _next = (_tenants.IndexOf(next) + 1) % _tenants.Count;
        switch (await _switch.GiveTo(next))
        {
            case TurnOutcome.Given:
                _owner = next;
                break;
            case TurnOutcome.Refused:
                _clock.Begin(TurnPhase.Idle, null);
                break;
            default:
                await Lose();
                break;
        }
    }

    private async ValueTask<bool> Vacate()
    {
        ControllerTenant owner = _owner!;
        _owner = null;
        bool isClean = await _switch.TakeFrom(owner);
        if (!isClean)
            await Lose();
        return isClean;
    }

    private async ValueTask Remove(ControllerTenant tenant)
    {
        if (tenant == _owner)
        {
            bool isClean = await Vacate();
            _clock.Begin(TurnPhase.Idle, null);
            await _switch.Close();
            if (!isClean)
                return;
        }

        // A switch that leaves the translation out may have left its domain with the controller.
        if (tenant.Domain.Attached != 0)
            await _switch.Block();
        int place = _tenants.IndexOf(tenant);
        _tenants.RemoveAt(place);
        _next = _tenants.Count == 0 ? 0 : (place < _next ? _next - 1 : _next) % _tenants.Count;
        await tenant.Release();
    }

    // It is gone, or nothing stops it but to let nothing through: no VM keeps it.
    private async ValueTask Lose()
    {
        (IsLost, _isStopped) = (true, true);
        _real.SetBusMaster(false);
        _owner?.Leave();
        _owner = null;
        _clock.Begin(TurnPhase.Idle, null);
        await _switch.Close();
        foreach (ControllerTenant tenant in _tenants)
            await tenant.Release();
        _tenants.Clear();
    }

    // A turn: until its time is over, or there is no work for a while and somebody else has some.
    private async Task Run(ControllerTenant owner)
    {
        ulong endNs = _host.Loop.NowNs + _options.QuantumNs;
        ulong lookNs = _host.Loop.NowNs + (WireTime.MicroframeNs / 2);
        ulong busyNs = _host.Loop.NowNs;
        ulong interrupts = owner.InterruptsForwarded;
        while (_owner == owner && _host.Loop.NowNs < endNs)
        {
            await _host.Loop.Delay(Math.Min(lookNs, endNs) - _host.Loop.NowNs);
            if (_owner != owner || _host.Loop.NowNs < lookNs)
                continue;
            lookNs += WireTime.MicroframeNs;
            owner.Settle();
            if (_hardware.IsGone)
                return;
            if (!_options.IsWorkConserving || _hardware.IsBusy || interrupts != owner.InterruptsForwarded)
                (busyNs, interrupts) = (_host.Loop.NowNs, owner.InterruptsForwarded);
            else if (_host.Loop.NowNs - busyNs >= _options.IdleNs && _tenants.Exists(other => other != owner && other.Image.HasDemand))
                return;
        }

        Look();
    }

    private async Task Idle()
    {
        _ = await _woken.Wait(_options.QuantumNs);
        Look();
    }

    // What came behind the gates of those that have no turn.
    private void Look()
    {
        foreach (ControllerTenant tenant in _tenants)
        {
            if (tenant != _owner)
                tenant.Settle();
        }
    }
}
