using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The part of the VMM behind all management devices: it takes requests, does them or has the host do them, and routes messages.</summary>
/// <remarks>
/// It is software on a processor of the VMM. Each turn does one request of one VM, round robin over those that have any and
/// have not had more than their share lately, so that a flood costs its sender and nobody else. Bytes go from the memory of one
/// VM into the core's and from there into that of another: nobody gets a pointer.
/// <code>
///   device 1 --rung--+                       +-- files ------- granted folder
///   device 2 --rung--+--> round robin, one --+-- statistics -- VM scheduler
///   device 3 --rung--+    request each turn  +-- chat -------- inbox of a VM, or of the host
///                                            +-- calculation - host
/// </code>
/// It can be replaced while VMs run: <see cref="HandOver"/> gives what it knows to another one, <see cref="Fail"/> loses it, and
/// then each request that was taken ends with <see cref="ManagementResult.CoreLost"/>.
/// </remarks>
public sealed class ManagementCore
{
    /// <summary>The host as a participant.</summary>
    public const uint HostNumber = 0;

    private readonly Host _host;
    private readonly ManagementState _state;
    private readonly ManagementTransfers _transfers;
    private readonly Signal _attention;
    private readonly ChatService _chat;
    private readonly StatisticsService _statistics;
    private readonly IManagementService[] _services;
    private int _next;
    private bool _isStopped;

    /// <summary>A core that begins to serve.</summary>
    /// <param name="host">The computer that it runs on.</param>
    /// <param name="state">What the core before it knew; null to begin with nothing.</param>
    /// <exception cref="InvalidOperationException">Another core goes on with that already.</exception>
    public ManagementCore(Host host, ManagementState? state = null)
    {
        _host = host;
        _state = state ?? new();
        if (_state.Ports.Any(port => port.Device.Attention is not null))
            throw new InvalidOperationException("Another core serves these devices.");
        Processor = new("management core", host.Loop, host.Options.Costs);
        _transfers = new(Processor);
        _attention = new(host.Loop);
        _chat = new(_state);
        _statistics = new(_state, host.Loop);
        _services = [new FileService(), _statistics, _chat, new CalculationService()];
        Mailbox = new(_state, _chat, host.Loop);
        foreach (ManagementPort port in _state.Ports)
            Connect(port);
        host.Loop.Start(Serve);
    }

    /// <summary>The processor that it runs on.</summary>
    public Processor Processor { get; }

    /// <summary>The host's own end of the chat.</summary>
    public HostMailbox Mailbox { get; }

    /// <summary>Told of each request that finished, after its completion; null for nobody. It must change nothing.</summary>
    public Action<ServedRequest>? Watcher
    {
        get => _transfers.Watcher;
        set => _transfers.Watcher = value;
    }

    /// <summary>Whether it serves.</summary>
    public bool IsRunning => !_isStopped;

    /// <summary>Whether it is in the middle of a request.</summary>
    public bool IsBusy => _transfers.IsWorking;

    /// <summary>What it and the cores before it did for each VM that is there.</summary>
    public IReadOnlyList<ManagementCounts> Counts => [.. _state.Ports.Select(port => port.Counts)];

    /// <summary>The published names, with their participants, in alphabetical order.</summary>
    public IReadOnlyList<KeyValuePair<string, uint>> Names => _state.Names.All;

    /// <summary>Plugs a management device into a VM, and begins to serve it.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="place">Its device number on bus 0 of the VM, a free one.</param>
    /// <param name="grant">What the VM may do with it.</param>
    /// <exception cref="InvalidOperationException">The VM has no room for its registers, or the core was stopped.</exception>
    public ManagementDevice Plug(VirtualMachine machine, int place, ManagementGrant grant)
    {
        if (!machine.BarPlaces.TryTake(ManagementOffsets.WindowLength, out ulong address))
            throw new InvalidOperationException($"{machine} has no room for the registers of a management device.");
        ManagementDevice device = new(grant.Modes);
        machine.Pci.Add(device, place);
        machine.Pci.WriteConfiguration(device.Source, PciOffset.Bar0, 4, (uint)address);
        _ = Attach(machine, device, grant);
        return device;
    }

    /// <summary>Begins to serve a device that is plugged in already, as after a core that failed.</summary>
    /// <returns>The number of the VM as a participant.</returns>
    /// <exception cref="InvalidOperationException">The core was stopped, or another one serves the device.</exception>
    public uint Attach(VirtualMachine machine, ManagementDevice device, ManagementGrant grant)
    {
        if (_isStopped || device.Attention is not null)
            throw new InvalidOperationException(_isStopped ? "The core was stopped." : $"A core serves the device of {machine} already.");
        bool isKnown = device.Self != 0;
        ManagementPort port = _state.Add(machine, device, grant, _transfers);
        Connect(port);
        if (isKnown)
        {
            device.FinishTaken(ManagementResult.CoreLost);
            device.TellCoreLost();
            device.QuotaLeft = Math.Min(device.QuotaLeft, grant.QuotaBytes);
        }
        else
        {
            device.QuotaLeft = grant.QuotaBytes;
        }

        return port.Number;
    }

    /// <summary>What is known of a VM; measured anew where that is older than 100 us.</summary>
    /// <returns><c>null</c> where it has no management device, or has ended.</returns>
    public ManagementStatistics? StatisticsOf(VirtualMachine machine) => PortOf(machine) is { } port ? _statistics.Read(port) : null;

    /// <summary>The work that a VM has left of what it reported, and how old its report is.</summary>
    /// <returns><c>null</c> where it never reported.</returns>
    public WorkEstimate? WorkOf(VirtualMachine machine) => PortOf(machine) is { } port ? _statistics.WorkOf(port) : null;

    /// <summary>The bytes by which files of a VM may still grow.</summary>
    public ulong QuotaLeftOf(VirtualMachine machine) => PortOf(machine)?.QuotaLeft ?? 0;

    /// <summary>How many messages wait for a VM.</summary>
    public int InboxOf(VirtualMachine machine) => PortOf(machine)?.Inbox.Count ?? 0;

    /// <summary>Stops, and gives what it knows to whoever comes next: nothing is lost, and requests that wait go on waiting.</summary>
    public ManagementState HandOver()
    {
        Stop();
        _transfers.End();
        return _state;
    }

    /// <summary>
    /// Stops as software does that fails: what it knew is lost, files are closed, and requests that it had taken stay for the next
    /// core to end. One that it was in the middle of may have been done.
    /// </summary>
    public void Fail()
    {
        Stop();
        foreach (ManagementPort port in _state.Ports)
            port.Files.CloseAll();
        Mailbox.Fail();
    }

    private ManagementPort? PortOf(VirtualMachine machine) => _state.Ports.FirstOrDefault(port => port.Machine == machine);

    private void Connect(ManagementPort port)
    {
        port.Transfers = _transfers;
        port.Device.Connect(_attention, port.Number);
        _host.Loop.Start(async () =>
        {
            _ = await port.Machine.Ended.Wait();
            _attention.Raise();
        });
    }

    private void Stop()
    {
        if (_isStopped)
            throw new InvalidOperationException("The core was stopped before.");
        _isStopped = true;
        foreach (ManagementPort port in _state.Ports)
            port.Device.Disconnect();
        _attention.Raise();
    }

    private async Task Serve()
    {
        while (!_isStopped)
        {
            if (Choose(out ulong waitNs) is { } port)
            {
                _transfers.Begin();
                ServeOne(port);
                await Processor.Delay(0);
                if (_isStopped)
                    break;
                _transfers.End();

                // Between two requests others come in.
                await Processor.Delay(0);
            }
            else
            {
                _ = await Processor.Wait(_attention, waitNs);
            }
        }
    }

    // The next VM in turn that has something to do and credit for it; otherwise, how long until one has.
    private ManagementPort? Choose(out ulong waitNs)
    {
        foreach (ManagementPort port in _state.Ports.ToArray())
            Follow(port);
        waitNs = ulong.MaxValue;
        ulong now = _host.Loop.NowNs;
        for (int step = 0; step < _state.Ports.Count; step++)
        {
            ManagementPort port = _state.Ports[(_next + step) % _state.Ports.Count];
            if (port.Device.Waiting == 0)
                continue;
            ulong creditNs = port.CreditAtNs(now);
            if (creditNs <= now)
            {
                _next = (_next + step + 1) % _state.Ports.Count;
                return port;
            }

            waitNs = Math.Min(waitNs, creditNs - now);
        }

        return null;
    }

    // What the guest did to its device since the last turn, or what became of the guest.
    private void Follow(ManagementPort port)
    {
        if (!port.IsCurrent)
        {
            Forget(port, ManagementModes.All);
            port.Generation = port.Device.Generation;
            if (!port.Machine.IsRunning)
            {
                _state.Remove(port);
                return;
            }
        }

        // Also after a reset: what the guest did since must not be held against requests that come later.
        ManagementModes ended = port.Device.TakeEndedModes();
        if (ended != ManagementModes.None)
            Forget(port, ended);
        uint cancelled = port.Device.TakeCancelled();
        foreach (TakenRequest request in port.Parked.Where(request => (cancelled >> request.Slot & 1) != 0).ToArray())
            Cancel(request);
    }

    private void Forget(ManagementPort port, ManagementModes modes)
    {
        foreach (TakenRequest request in port.Parked.Where(request => (request.Mode & modes) != 0).ToArray())
            Cancel(request);
        foreach (IManagementService service in _services)
        {
            if ((service.Mode & modes) != 0)
                service.End(port);
        }
    }

    private void Cancel(TakenRequest request)
    {
        foreach (IManagementService service in _services)
        {
            if (service.Mode == request.Mode)
                service.Cancel(request);
        }

        request.Finish(ManagementAnswer.Of(ManagementResult.Cancelled));
    }

    private void ServeOne(ManagementPort port)
    {
        port.Spend(_host.Loop.NowNs);
        _transfers.CopiedSlot(ManagementRequest.Size);
        if (!port.Device.TryTake(out int slot, out ManagementRequest fields))
            return;
        port.Counts.Taken++;
        TakenRequest request = new(port, slot, fields);
        ManagementAnswer answer = port.Device.WasCancelled(slot) ? ManagementAnswer.Of(ManagementResult.Cancelled) : Dispatch(request);
        if (!answer.IsParked)
            request.Finish(answer);
    }

    private ManagementAnswer Dispatch(TakenRequest request)
    {
        ManagementPort port = request.Port;
        foreach (IManagementService service in _services)
        {
            if (service.Mode != request.Mode)
                continue;
            if ((port.Grant.Modes & service.Mode) == 0)
                return ManagementAnswer.Of(ManagementResult.NotGranted);
            return (port.Device.Modes & service.Mode) == 0 ? ManagementAnswer.Of(ManagementResult.ModeOff) : service.Serve(request);
        }

        return ManagementAnswer.Of(ManagementResult.BadRequest);
    }
}
