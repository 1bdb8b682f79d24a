using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The back end of the split driver: it passes requests of a guest's front end on to the host's USB stack.</summary>
/// <remarks>
/// <code>
/// guest                                 host
/// class driver
/// front end --- ring of requests -----> back end --> USB stack --> controller
///           &lt;-- ring of plug events ---    |                           |
///           --- grant table --------------+ pages of the guest &lt;------+ by the remapping unit
/// </code>
/// It serves one VM. What the guest writes is checked, all of it; its pages are used from request to response alone, and
/// devices of the host are reached only at the ports at which they were shown.
/// </remarks>
public sealed class UsbBackEnd : IUsbMediator, IGuestService, IFrontEndServer
{
    /// <summary>How many ports there are.</summary>
    public const int PortCount = BackEndPorts.Count;

    private readonly IHostUsbController _controller;
    private readonly IGrants _grants;
    private readonly UrbExecutor _executor;
    private readonly BackEndPorts _ports;
    private readonly Gate _gate = new();
    private FrontEndRings? _rings;
    private bool _isStopped;

    /// <summary>A back end without devices, and nobody connected.</summary>
    /// <param name="machine">For which VM; it has none yet.</param>
    /// <param name="controller">The host's USB stack, of the controller whose devices it passes on.</param>
    /// <param name="options">How it works.</param>
    /// <exception cref="InvalidOperationException">The VM has one.</exception>
    public UsbBackEnd(VirtualMachine machine, IHostUsbController controller, UsbBackEndOptions? options = null)
    {
        UsbBackEndOptions chosen = options ?? new();
        if (machine.UsbServer is not null)
            throw new InvalidOperationException($"{machine.Name} has a back end.");
        (Machine, _controller, _grants) = (machine, controller, chosen.Grants ?? machine.Grants);
        _executor = new(controller, new HostFrontEndMemory(controller, machine.Host.Memory, _grants), chosen.CopiedBytesMax);
        _ports = new(controller);
        machine.UsbServer = this;
        machine.Services.Add(this);
    }

    /// <inheritdoc/>
    public string Name => "back end of the split driver";

    /// <inheritdoc/>
    public VirtualMachine Machine { get; }

    /// <summary>Whether a front end is connected.</summary>
    public bool IsConnected => _ports.Connection is not null;

    /// <summary>Whether the connected front end broke the rules of the ring: it is served no more until it connects anew.</summary>
    public bool IsBroken => _ports.Connection is { IsBroken: true };

    /// <summary>How many requests have no response yet.</summary>
    public int Outstanding => _ports.Connection?.Outstanding ?? 0;

    /// <summary>How many requests were taken from the connected front end, and how many responses it was given.</summary>
    public (uint Requests, uint Responses) Counts => _ports.Connection?.Counts ?? default;

    /// <inheritdoc/>
    public ValueTask<bool> Attach(IHostUsbDevice device) => _isStopped ? new(false) : _ports.Attach(device);

    /// <inheritdoc/>
    public ValueTask Detach(IHostUsbDevice device) => _ports.Detach(device);

    /// <summary>Ends: what is under way is called off and answered as <see cref="UrbStatus.Shutdown"/>, and the VM can get another back end.</summary>
    /// <remarks>Devices stay assigned, and nobody reaches them, until they are taken back.</remarks>
    public async ValueTask Stop()
    {
        if (_isStopped)
            return;
        _isStopped = true;
        Machine.UsbServer = null;
        _ = Machine.Services.Remove(this);
        _ = await Disconnect(isShutdown: true);
        _ports.Clear();
    }

    /// <inheritdoc/>
    ValueTask IGuestService.Close() => Stop();

    /// <inheritdoc/>
    ValueTask<HypercallResult> IFrontEndServer.Connect(ulong requests, ulong plugs, ulong vector)
    {
        if (_ports.Connection is not null)
            return new(new HypercallResult(DmaRefusal.StillMapped, 0));
        DmaRefusal refusal = FrontEndRings.TryOpen(Machine, _grants, requests, plugs, vector, out _rings);
        if (_rings is not { } rings)
            return new(new HypercallResult(refusal, 0));
        HostCpu cpu = Machine.Host.Cpu;
        BackEndConnection connection = new(
            _controller.Processor,
            _executor,
            _ports.All,
            (new(cpu, new(rings.Requests.Frame.Value), UrbRequest.Size), new(cpu, new(rings.Plugs.Frame.Value), PlugEvent.Size)),
            new(Machine.Host.Loop),
            () =>
            {
                Machine.Interrupt(rings.Interrupt);
                return default;
            });
        _ports.Connection = connection;
        Machine.Host.Loop.Start(connection.Serve);
        return new(new HypercallResult(DmaRefusal.None, PortCount));
    }

    /// <inheritdoc/>
    DmaRefusal IFrontEndServer.Notify()
    {
        if (_ports.Connection is not { } connection)
            return DmaRefusal.NotAssigned;
        connection.Notify();
        return DmaRefusal.None;
    }

    /// <inheritdoc/>
    ValueTask<DmaRefusal> IFrontEndServer.Disconnect() => Disconnect(isShutdown: false);

    private async ValueTask<DmaRefusal> Disconnect(bool isShutdown)
    {
        await _gate.Enter();
        try
        {
            if (_ports.Connection is not { } connection)
                return DmaRefusal.NotAssigned;
            await connection.Close(isShutdown);
            _ports.Connection = null;
            _rings!.Return(_grants);
            return DmaRefusal.None;
        }
        finally
        {
            _gate.Leave();
        }
    }
}
