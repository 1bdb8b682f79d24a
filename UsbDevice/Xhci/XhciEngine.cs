using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The controller behind the bus interface: registers, doorbells, ports, and what happens when.</summary>
/// <remarks>
/// One event on the loop is planned at a time: the next thing that any part of the controller waits for. While nothing is to be done,
/// nothing happens, and the microframe index follows from the time.
/// </remarks>
internal sealed class XhciEngine : IRegisterEffects, IRootPortEvents
{
    private const ulong Never = ulong.MaxValue;

    private readonly EventLoop _loop;
    private readonly IXhciSignals _signals;
    private readonly XhciRegisters _registers;
    private readonly XhciMemory _memory;
    private readonly Interrupters _interrupters;
    private readonly RootPort[] _ports;
    private readonly BusLanes _lanes;
    private readonly DeviceTable _devices;
    private readonly Doorbells _doorbells;
    private readonly CommandRing _commands;
    private readonly StateStore _store;
    private readonly FrameClock _frames = new();
    private readonly MicroframeWraps _wraps;
    private readonly ScheduledEvent _wake;

    private ulong _wakeNs = Never;
    private bool _isDead;

    /// <summary>A controller at its reset values.</summary>
    public XhciEngine(EventLoop loop, IDmaPort dma, IXhciSignals signals, XhciOptions options)
    {
        (_loop, _signals, Options) = (loop, signals, options);
        _wake = new(Wake);
        _registers = new(options, StateStore.PagesFor(options));
        _memory = new(dma, options);
        _interrupters = new(_registers, _memory, signals, options, Statistics);
        _wraps = new(_frames, _registers, _interrupters);
        _ports = [.. Enumerable.Range(0, options.Usb2PortCount + options.Usb3PortCount).Select(MakePort)];
        (Sockets, Buses) = ([.. _ports.Select(static port => port.Socket)], [.. _ports.Select(static port => port.Bus)]);

        RingReader rings = new(_memory);
        Transactor transactor = new(Statistics);
        TransferWindow window = new(_memory, rings, _interrupters, options);
        DeviceContexts contexts = new(_memory, _registers, options);
        XhciIsochronousExecutor isochronous = new(_memory, window, transactor, _interrupters, contexts, options);
        TransferExecutor transfers = new(_memory, window, transactor, isochronous, _interrupters, contexts, options, Statistics);
        _lanes = new(_frames, _ports, transfers);

        _devices = new(_registers, options, _ports);
        _doorbells = new(_devices, contexts, _lanes, Statistics);
        ContextRules rules = new(_devices, options);
        BandwidthLedger ledger = new(_devices);
        SlotCommands slots = new(_devices, contexts, rules, ledger, new(transactor), _memory);
        EndpointCommands endpoints = new(contexts, window, _memory, _interrupters, options);
        CommandExecutor executor = new(_devices, slots, endpoints, ledger, _memory, _interrupters, options);
        _commands = new(_registers, rings, executor, _interrupters, options, Statistics);
        _store = new(_memory, _registers, _devices, rules, _commands, _interrupters, options);
        Gates = new(this, _ports);
    }

    /// <summary>The gates of the root ports.</summary>
    public XhciGates Gates { get; }

    /// <summary>Whether a command, a transfer, an interrupt, or the saving or restoring of state waits for its end.</summary>
    public bool IsBusy => _commands.DueNs != CommandRing.Never || _store.DueNs != StateStore.Never || _interrupters.AreWanted || _lanes.HaveWork;

    /// <summary>The microframe index.</summary>
    public uint Index => _frames.Index(_loop.NowNs);

    /// <summary>How it is built.</summary>
    public XhciOptions Options { get; }

    /// <summary>The sockets of the root ports.</summary>
    public IReadOnlyList<UsbPort> Sockets { get; }

    /// <summary>The buses that begin there.</summary>
    public IReadOnlyList<UsbBus> Buses { get; }

    /// <summary>What it did since power-on.</summary>
    public XhciStatistics Statistics { get; } = new();

    private bool IsRunning => !_registers.UsbStatus.Halted;

    /// <summary>A read by software.</summary>
    public ulong Read(int offset, int width)
    {
        Sync();
        _interrupters.Sync(_loop.NowNs);
        return offset >= XhciRegisters.Doorbells ? 0 : _registers.File.Read(offset, width);
    }

    /// <summary>A write by software.</summary>
    public void Write(int offset, int width, ulong value)
    {
        Sync();
        _interrupters.Sync(_loop.NowNs);
        if (offset < XhciRegisters.Doorbells)
        {
            _registers.File.Write(offset, width, value, this);
        }
        else if (width >= 4 && (offset & 3) == 0)
        {
            for (int at = 0; at < width; at += 4)
                RingDoorbell((offset + at - XhciRegisters.Doorbells) / 4, new(new((uint)(value >> (8 * at)))));
        }

        Settle();
    }

    /// <summary>Everything goes back to its reset value.</summary>
    /// <param name="keepsPorts">Whether the ports and their links stay as they are.</param>
    /// <param name="isPowerOn">Whether firmware owns the controller again, as after power-on.</param>
    public void Reset(bool keepsPorts, bool isPowerOn = false)
    {
        _registers.Reset(keepsPorts, isPowerOn);
        _memory.Reset();
        _commands.Reset();
        _devices.Reset();
        _interrupters.Reset();
        _lanes.Clear();
        _frames.Set(0);
        _store.Reset();
        _wraps.Set(_loop.NowNs, untold: 0);
        _isDead = false;
        foreach (RootPort port in _ports)
        {
            if (!keepsPorts)
                port.Reset(_loop.NowNs);
        }

        Settle();
    }

    /// <summary>The host did something to gates or ports: what was held back is heard now.</summary>
    public void GatesChanged()
    {
        foreach (RootPort port in _ports)
            Hear(port);
        Settle();
    }

    /// <summary>Sets the microframe index of a controller that is halted.</summary>
    /// <param name="index">The index.</param>
    /// <param name="wraps">How often it began anew of which software has not been told; an event for each comes with the start.</param>
    public void SetIndex(uint index, int wraps)
    {
        if (IsRunning)
            return;
        _frames.Set(index);
        _wraps.Set(_loop.NowNs, wraps);
    }

    /// <summary>The current through a root port became too much, or is well again.</summary>
    public void SetOverCurrent(int port, bool isOver)
    {
        _ports[port - 1].SetOverCurrent(isOver, _loop.NowNs);
        Settle();
    }

    /// <summary>The link of a root port fails.</summary>
    public void FailLink(int port)
    {
        _ports[port - 1].FailLink();
        Settle();
    }

    /// <summary>A device sends a notification.</summary>
    public void Notify(int slot, int type, ulong data)
    {
        ulong mask = _registers.File[XhciRegisters.OperationalBase + XhciOperationalOffsets.NotificationControl];
        if (!IsRunning || (mask >> (type & 0xF) & 1) == 0 || _devices.Find(slot) is not { } device)
            return;
        DeviceNotificationEvent notification = new()
        {
            Type = TrbType.DeviceNotification,
            Notification = type & 0xF,
            Data = data & Bits64.Mask(55, 0),
            Code = CompletionCode.Success,
            Slot = (byte)slot,
        };
        _interrupters.Add(device.Context.Interrupter, new(notification.Raw));
        Settle();
    }

    /// <inheritdoc/>
    public void StatusChanged(int index)
    {
        _registers.UsbStatus = _registers.UsbStatus with { PortChange = true };
        if (!IsRunning)
            return;
        _ports[index].HasUntoldChange = false;
        _interrupters.Add(0, new(new PortStatusChangeEvent { Type = TrbType.PortStatusChange, Port = (byte)(index + 1), Code = CompletionCode.Success }.Raw));
    }

    /// <inheritdoc/>
    public void PortActed() => Settle();

    /// <inheritdoc/>
    public void EndpointReady(RootPort port, in UsbToken endpoint)
    {
        port.KeepReady(endpoint);
        Hear(port);
        Plan();
    }

    /// <inheritdoc/>
    public void Written(in RegisterWrite write)
    {
        ulong now = _loop.NowNs;
        switch (write.Offset)
        {
            case XhciRegisters.Command:
                CommandWritten(new(new((uint)write.Before)), new(new((uint)write.After)));
                break;
            case XhciRegisters.CommandRing:
                _commands.Written(write, now);
                break;
            case XhciRegisters.LegacySupport:
                _registers.LegacyWritten(write);
                break;
            case >= XhciRegisters.FirstPort and < XhciRegisters.Extended:
                _ports[(write.Offset - XhciRegisters.FirstPort) / XhciOperationalOffsets.PortStride].Written(write, now);
                break;
            case >= XhciRegisters.FirstInterrupter:
                _interrupters.Written(write, now);
                break;
            default:
                break;
        }
    }

    private RootPort MakePort(int index) => index < Options.Usb2PortCount
        ? new Usb2RootPort(_registers, this, index, _frames) { NowNs = () => _loop.NowNs }
        : new Usb3RootPort(_registers, this, index, _frames) { NowNs = () => _loop.NowNs };

    private void CommandWritten(XhciCommand before, XhciCommand after)
    {
        if (after.Reset || after.LightReset)
        {
            Reset(keepsPorts: !after.Reset);
            return;
        }

        // After a system or controller error only a reset lets it run.
        _registers.UsbCommand = after with { Run = after.Run && !_isDead, SaveState = false, RestoreState = false };
        if (_isDead)
            return;
        if (after.Run && !IsRunning)
            Start();
        else if (!after.Run && IsRunning)
            Halt();
        else if ((after.SaveState || after.RestoreState) && !IsRunning && !before.Run && _store.DueNs == StateStore.Never)
            _store.Begin(after.SaveState, _loop.NowNs);
    }

    private void Start()
    {
        _frames.Start(_loop.NowNs);
        _registers.UsbStatus = _registers.UsbStatus with { Halted = false };
        _wraps.Start();
        foreach (RootPort port in _ports)
        {
            if (port is { HasChange: true, IsGated: false })
                StatusChanged(port.Index);
            Hear(port);
        }

        _doorbells.Resume(_loop.NowNs);
        _commands.Resume(_loop.NowNs);
    }

    // ERDY packets that came while nobody heard them.
    private void Hear(RootPort port)
    {
        if (!IsRunning || port.IsGated)
            return;
        for (int index = 0; index < port.Ready.Count; index++)
            _doorbells.Ready(port, port.Ready[index], _loop.NowNs);
        port.ForgetReady();
    }

    private void Halt()
    {
        _frames.Stop(_loop.NowNs);
        _commands.Halt();
        _registers.UsbStatus = _registers.UsbStatus with { Halted = true };
    }

    private void RingDoorbell(int number, XhciDoorbell doorbell)
    {
        if (!IsRunning)
            return;
        if (number == 0)
        {
            if (doorbell.Target == 0)
                _commands.Ring(_loop.NowNs);
            return;
        }

        _doorbells.Ring(number, doorbell, _loop.NowNs);
    }

    private void Wake()
    {
        _wakeNs = Never;
        Sync();
        ulong now = _loop.NowNs;
        foreach (RootPort port in _ports)
        {
            if (port.DueNs <= now)
                port.Tick(now);
        }

        if (_store.DueNs <= now)
            _store.End();
        if (IsRunning)
            Work(now);
        Settle();
    }

    private void Work(ulong now)
    {
        if (_commands.DueNs <= now)
            _commands.Tick(now, _frames.Count(now));
        _lanes.Run(now, _memory);
    }

    // Brings what follows from time alone into the registers: the index, and its wrap.
    private void Sync()
    {
        ulong now = _loop.NowNs;
        _wraps.Sync(now);
        foreach (RootPort port in _ports)
            port.Sync(now);
        _registers.File[XhciRegisters.MicroframeIndex] = _frames.Index(now);
    }

    // Whatever happened: errors stop the controller, interrupts follow from events, and the next event is planned.
    private void Settle()
    {
        if (_memory.HasFailed && !_isDead)
            Die(isSystemError: true);
        if (_interrupters.AreBroken && !_isDead)
            Die(isSystemError: false);
        _interrupters.Settle(_loop.NowNs);
        Plan();
    }

    // Run/stop falls, the error and the halt show at the same time, and only a reset recovers.
    private void Die(bool isSystemError)
    {
        _isDead = true;
        _registers.UsbCommand = _registers.UsbCommand with { Run = false };
        if (IsRunning)
            Halt();
        XhciStatus status = _registers.UsbStatus;
        _registers.UsbStatus = isSystemError ? status with { HostSystemError = true } : status with { ControllerError = true };
        if (!isSystemError)
        {
            Statistics.ControllerErrors++;
            return;
        }

        Statistics.HostSystemErrors++;
        if (_registers.UsbCommand.SystemErrorEnable)
            _signals.SignalSystemError();
    }

    private void Plan()
    {
        ulong now = _loop.NowNs;
        ulong next = Math.Min(Math.Min(_store.DueNs, NextWork(now)), _interrupters.DueNs(now));
        foreach (RootPort port in _ports)
            next = Math.Min(next, port.DueNs);

        // An event that comes too early only plans anew, so none is ever moved to a later time.
        if (next >= _wakeNs)
            return;
        _wakeNs = next;
        _loop.Schedule(next > now ? next - now : 0, _wake);
    }

    private ulong NextWork(ulong now) =>
        IsRunning ? Math.Min(Math.Min(_commands.DueNs, _lanes.NextNs(now)), _wraps.NextNs(now)) : Never;
}
