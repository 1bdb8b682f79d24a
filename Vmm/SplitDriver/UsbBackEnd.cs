using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;
using Dma.UsbDevice;

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
public sealed class UsbBackEnd : IUsbMediator, IGuestService
{
    /// <summary>How many ports there are.</summary>
    public const int PortCount = 31;

    private readonly IHostUsbController _controller;
    private readonly IGrants _grants;
    private readonly UrbExecutor _executor;
    private readonly BackEndPort?[] _ports = new BackEndPort?[PortCount];
    private readonly Gate _gate = new();
    private BackEndConnection? _connection;
    private bool _isStopped;

    /// <summary>A back end without devices, and nobody connected.</summary>
    /// <param name="machine">For which VM; it has none yet.</param>
    /// <param name="controller">The host's USB stack, of the controller whose devices it passes on.</param>
    /// <param name="options">How it works.</param>
    /// <exception cref="InvalidOperationException">The VM has one.</exception>
    public UsbBackEnd(VirtualMachine machine, IHostUsbController controller, UsbBackEndOptions? options = null)
    {
        UsbBackEndOptions chosen = options ?? new();
        if (machine.UsbBackEnd is not null)
            throw new InvalidOperationException($"{machine.Name} has a back end.");
        (Machine, _controller, _grants) = (machine, controller, chosen.Grants ?? machine.Grants);
        _executor = new(controller, machine.Host.Memory, _grants, chosen.CopiedBytesMax);
        machine.UsbBackEnd = this;
        machine.Services.Add(this);
    }

    /// <inheritdoc/>
    public string Name => "back end of the split driver";

    /// <inheritdoc/>
    public VirtualMachine Machine { get; }

    /// <summary>Whether a front end is connected.</summary>
    public bool IsConnected => _connection is not null;

    /// <summary>Whether the connected front end broke the rules of the ring: it is served no more until it connects anew.</summary>
    public bool IsBroken => _connection is { IsBroken: true };

    /// <summary>How many requests have no response yet.</summary>
    public int Outstanding => _connection?.Outstanding ?? 0;

    /// <summary>How many requests were taken from the connected front end, and how many responses it was given.</summary>
    public (uint Requests, uint Responses) Counts => _connection?.Counts ?? default;

    /// <inheritdoc/>
    public ValueTask<bool> Attach(IHostUsbDevice device)
    {
        int free = Array.IndexOf(_ports, null);
        if (_isStopped || free < 0 || device.Controller != _controller || device.Speed == UsbSpeed.Super)
            return new(false);
        _ports[free] = new(free + 1, device);
        _connection?.Tell(free + 1);
        return new(true);
    }

    /// <inheritdoc/>
    public async ValueTask Detach(IHostUsbDevice device)
    {
        int index = Array.FindIndex(_ports, port => port?.Device == device);
        if (index < 0)
            return;
        BackEndPort port = _ports[index]!;
        port.IsGone = true;
        if (_connection is { } connection)
        {
            await connection.Drain(port);
            connection.Tell(index + 1);
        }

        _ports[index] = null;
    }

    /// <summary>Ends: what is under way is called off and answered as <see cref="UrbStatus.Shutdown"/>, and the VM can get another back end.</summary>
    /// <remarks>Devices stay assigned, and nobody reaches them, until they are taken back.</remarks>
    public async ValueTask Stop()
    {
        if (_isStopped)
            return;
        _isStopped = true;
        Machine.UsbBackEnd = null;
        _ = Machine.Services.Remove(this);
        _ = await Disconnect(isShutdown: true);
        Array.Clear(_ports);
    }

    /// <inheritdoc/>
    ValueTask IGuestService.Close() => Stop();

    /// <summary>Answers <see cref="Hypercall.ConnectUsb"/>.</summary>
    internal HypercallResult Connect(ulong requests, ulong plugs, ulong vector)
    {
        if (_connection is not null)
            return new(DmaRefusal.StillMapped, 0);

        // What is written through grants goes by no log.
        if (Machine.Memory.DirtyLog is not null)
            return new(DmaRefusal.Denied, 0);
        if (vector is < 32 or > byte.MaxValue)
            return new(DmaRefusal.BadRange, 0);
        if (requests > uint.MaxValue || plugs > uint.MaxValue || !_grants.TryTake((uint)requests, isWritten: true, out GrantedPage requestPage))
            return new(DmaRefusal.NotMapped, 0);
        if (!_grants.TryTake((uint)plugs, isWritten: true, out GrantedPage plugPage))
        {
            _grants.Return(requestPage);
            return new(DmaRefusal.NotMapped, 0);
        }

        PhysicalMemory memory = Machine.Host.Memory;
        MessageInterrupt interrupt = MessageInterrupt.To(Machine.Cpu.ApicId, (byte)vector);
        (BackRing, BackRing) rings = (new(memory, requestPage, UrbRequest.Size), new(memory, plugPage, PlugEvent.Size));
        BackEndConnection connection = _connection = new(Machine, _controller, _executor, _ports, rings, interrupt);
        Machine.Host.Loop.Start(connection.Serve);
        return new(DmaRefusal.None, PortCount);
    }

    /// <summary>Answers <see cref="Hypercall.NotifyUsb"/>.</summary>
    internal DmaRefusal Notify()
    {
        if (_connection is null)
            return DmaRefusal.NotAssigned;
        _connection.Notify();
        return DmaRefusal.None;
    }

    /// <summary>Answers <see cref="Hypercall.DisconnectUsb"/>.</summary>
    internal ValueTask<DmaRefusal> Disconnect() => Disconnect(isShutdown: false);

    private async ValueTask<DmaRefusal> Disconnect(bool isShutdown)
    {
        await _gate.Enter();
        try
        {
            if (_connection is not { } connection)
                return DmaRefusal.NotAssigned;
            await connection.Close(isShutdown);
            _connection = null;
            foreach (GrantedPage page in connection.Pages)
                _grants.Return(page);
            return DmaRefusal.None;
        }
        finally
        {
            _gate.Leave();
        }
    }
}
