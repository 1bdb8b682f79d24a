using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A second thread of execution, on a processor of its own, that watches the registers of devices which VMs write as memory.</summary>
/// <remarks>
/// So the guest does not exit. Each turn looks at each device once and does bounded work; a turn that finds
/// nothing many times in a row is followed by a nap. Steady turns allocate nothing.
/// </remarks>
public sealed class RegisterPoller
{
    private readonly Host _host;
    private readonly List<PolledRegisters> _devices = [];
    private readonly ScheduledEvent _turn;
    private int _first;
    private int _idle;

    /// <summary>A poller; it begins with its first device.</summary>
    /// <param name="host">The host.</param>
    /// <param name="options">How it works.</param>
    public RegisterPoller(Host host, PollingOptions? options = null)
    {
        (_host, Options) = (host, (options ?? new()).Check());
        _turn = new(Turn);
    }

    /// <summary>How it works.</summary>
    public PollingOptions Options { get; }

    /// <summary>What it did.</summary>
    public PollingCounts Counts { get; } = new();

    /// <summary>The devices that it serves.</summary>
    public IReadOnlyList<PolledRegisters> Devices => _devices;

    /// <summary>Whether it naps now between turns.</summary>
    public bool IsNapping => Options.IdleTurnsMax is { } max && _idle >= max;

    /// <summary>Plugs a device into a VM, with registers that are polled.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="function">The device, not plugged in yet.</param>
    /// <param name="place">Where in the guest's PCI hierarchy: bus 0, function 0.</param>
    /// <param name="access">Which of its registers are polled.</param>
    /// <param name="map">Its registers by class; null for that of a USB controller.</param>
    /// <exception cref="InvalidOperationException">The host or the VM has no room for it.</exception>
    public PolledRegisters Plug(VirtualMachine machine, PciFunction function, SourceId place, PolledAccess access, PolledRegisterMap? map = null)
    {
        if (!machine.IsRunning)
            throw new InvalidOperationException($"{machine.Name} has ended.");

        // Where interrupts cannot be posted, they are put in like any other.
        _ = PostedInterrupts.Prepare(machine);
        PolledRegisters device = new(this, machine, function, place, map ?? PolledRegisterMap.Of(function), access);
        _devices.Add(device);
        if (!_turn.IsPending)
            _host.Loop.Schedule(Options.PeriodNs, _turn);
        return device;
    }

    /// <summary>Its processor does something else for a while: no turn comes before.</summary>
    /// <param name="durationNs">Nanoseconds.</param>
    public void Deschedule(ulong durationNs)
    {
        if (_turn.IsPending)
            _host.Loop.Schedule(durationNs, _turn);
    }

    internal void Remove(PolledRegisters device) => _devices.Remove(device);

    private void Turn()
    {
        if (_devices.Count == 0)
            return;
        Counts.Turns++;
        int changes = 0;
        _first = (_first + 1) % _devices.Count;
        for (int index = 0; index < _devices.Count; index++)
            changes += _devices[(_first + index) % _devices.Count].Serve(Options.ChangesMax);
        ulong workNs = (Options.TurnNs * (ulong)_devices.Count) + (Options.ChangeNs * (ulong)changes);
        _idle = changes == 0 ? Math.Min(_idle + 1, int.MaxValue - 1) : 0;
        bool naps = IsNapping;
        ulong nextNs = Math.Max(naps ? Options.NapNs : Options.PeriodNs, workNs);
        Counts.Naps += naps ? 1u : 0;
        Counts.WorkingNs += workNs;
        Counts.BurnedNs += naps ? workNs : nextNs;
        _host.Loop.Schedule(nextNs, _turn);
    }
}
