using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>One set of registers and all that stands behind it: ports, schedules, the way to memory, the interrupt. It belongs to one driver.</summary>
/// <remarks>
/// A controller has one of them, or one for each virtual machine; what they share is in <see cref="EhciEngine"/>. Run/stop,
/// reset, the host system error and the routing of ports act on the set alone. Its frame index has the microframe of the
/// bus in its last three bits, and a frame of its own.
/// </remarks>
internal sealed class EhciRegisterSet : IRegisterEffects, IScheduleEvents
{
    private const ulong Never = ulong.MaxValue;

    private readonly EhciEngine _engine;
    private readonly EventLoop _loop;
    private readonly EhciOptions _options;
    private readonly ThresholdInterrupt _interrupt;
    private readonly EhciRegisters _registers;
    private readonly ScheduleMemory _memory;
    private readonly AsyncSchedule _async;
    private readonly PeriodicSchedule _periodic;
    private readonly FrameClock _clock = new();
    private readonly EhciRootPort[] _ports;
    private readonly EhciWire _wire;

    private ulong _seen;
    private uint _index;

    /// <summary>A set at its reset values, without sockets behind its ports.</summary>
    /// <param name="engine">What it shares with others.</param>
    /// <param name="number">Which one it is, from 0 on.</param>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="dma">Its way to memory.</param>
    /// <param name="interrupt">Its interrupt.</param>
    /// <param name="options">How it is built.</param>
    public EhciRegisterSet(EhciEngine engine, int number, EventLoop loop, IDmaPort dma, IEhciInterrupt interrupt, EhciOptions options)
    {
        (_engine, Number, _loop, _options, Requester) = (engine, number, loop, options, dma);
        _registers = new(options);
        _memory = new(dma, options);
        _interrupt = new(_registers, _clock, loop, interrupt);
        _wire = new(engine, number);
        QueueExecutor executor = new(_memory, _wire, this);
        _async = new(_registers, _memory, executor, this);
        _periodic = new(_registers, _memory, _wire, executor, this);
        _ports = new EhciRootPort[options.PortCount];
        for (int index = 0; index < _ports.Length; index++)
            _ports[index] = new(_registers, index, this);
    }

    /// <summary>Which one it is, from 0 on.</summary>
    public int Number { get; }

    /// <summary>Who asks for its accesses to memory.</summary>
    public IDmaPort Requester { get; }

    /// <summary>How many ports it shows.</summary>
    public int PortCount => _ports.Length;

    /// <summary>What it did since power-on.</summary>
    public EhciStatistics Statistics { get; } = new();

    /// <summary>Its part in the sharing of the bus.</summary>
    public BusShare Share { get; } = new();

    /// <summary>When <see cref="Tick"/> or <see cref="Settle"/> has something to do.</summary>
    public ulong DueNs { get; private set; } = Never;

    /// <summary>Not halted.</summary>
    public bool IsRunning { get; private set; }

    /// <summary>Whether it met a bus error, and was not reset since.</summary>
    public bool IsDead { get; private set; }

    /// <summary>Whether the current microframe began while it ran.</summary>
    public bool IsInMicroframe { get; private set; }

    /// <summary>Whether it was told to stop, and has not.</summary>
    public bool IsStopping => IsRunning && !_registers.UsbCommand.Run;

    /// <summary>Whether it is counted among those that have a schedule to run.</summary>
    public bool IsScheduled { get; private set; }

    /// <summary>Where the asynchronous list goes on.</summary>
    public uint AsyncPosition => (uint)_registers.File[EhciRegisters.AsyncListAddress];

    /// <summary>Whether nothing will be found until the frame is over, as far as one can tell who reads a whole frame ahead.</summary>
    public bool IsRestOfFrameIdle => _periodic.IsEmpty && !_registers.UsbCommand.AsyncEnable
        && _registers.UsbStatus is { PeriodicActive: true, AsyncActive: false };

    /// <summary>Its ports.</summary>
    public IReadOnlyList<EhciRootPort> Ports => _ports;

    /// <summary>CONFIGFLAG.</summary>
    public bool IsConfigured => (_registers.File[EhciRegisters.ConfigureFlagAt] & 1) != 0;

    private bool HasSchedule
    {
        get
        {
            UsbCommand command = _registers.UsbCommand;
            UsbStatus status = _registers.UsbStatus;
            return command.AsyncEnable || command.PeriodicEnable || status.AsyncActive || status.PeriodicActive;
        }
    }

    /// <summary>A read by software.</summary>
    public ulong Read(int offset, int width)
    {
        _ = Sync();
        return _registers.File.Read(offset, width);
    }

    /// <summary>A write by software.</summary>
    public void Write(int offset, int width, ulong value)
    {
        _ = Sync();
        _registers.File.Write(offset, width, value, this);
        SettleAndPlan();
    }

    /// <summary>Everything goes back to its reset value; no reset is driven onto the bus.</summary>
    public void Reset()
    {
        _registers.File.Reset();
        foreach (EhciRootPort port in _ports)
            port.Reset();
        _engine.Addresses?.Reset(Number);
        Forget();
    }

    /// <summary>Puts one of its ports before a socket, or before none.</summary>
    /// <param name="index">The port, from 0 on.</param>
    /// <param name="socket">The socket; null for none.</param>
    public void Face(int index, UsbPort? socket) => Changed(_ports[index].Face(socket, IsConfigured));

    /// <summary>The current through a port became too much, or is well again.</summary>
    public void SetOverCurrent(int index, bool isOver) => Changed(_ports[index].SetOverCurrent(isOver, IsConfigured));

    /// <summary>A device came or went.</summary>
    public void PortChanged(int index) => Changed(_ports[index].Connect(IsConfigured));

    /// <summary>A suspended device wants to wake the host.</summary>
    public void WakeSignalled(int index) => Changed(_ports[index].Wake());

    /// <summary>A device did not stop talking in time.</summary>
    public void Babbled(int index) => RaiseIf(_ports[index].DisableByError());

    /// <summary>A port became enabled, or is not any more.</summary>
    public void EnabledChanged(EhciRootPort port, bool isEnabled)
    {
        if (_engine.Addresses is not { } addresses || port.Socket is not { } socket)
            return;
        if (isEnabled)
            port.IsHeld = !addresses.Enabled(Number, socket.Number - 1);
        else
            addresses.Disabled(Number, socket.Number - 1);
    }

    /// <summary>Address 0 is its own now: what was reset meanwhile may answer.</summary>
    public void ReleasePorts()
    {
        foreach (EhciRootPort port in _ports)
            port.IsHeld = false;
    }

    /// <summary>Shuts a port, as after an error.</summary>
    /// <param name="port">The root port of the bus, from 0 on; -1 for all of its own.</param>
    public void Shut(int port)
    {
        bool isChange = false;
        foreach (EhciRootPort own in _ports)
        {
            if (own.Socket is { } socket && (port < 0 || socket.Number - 1 == port))
                isChange |= own.DisableByError();
        }

        Changed(isChange);
    }

    /// <inheritdoc/>
    public void Post(uint statusBits)
    {
        _interrupt.Post(statusBits);
        if (_interrupt.DueNs >= DueNs)
            return;
        DueNs = _interrupt.DueNs;
        _engine.Due(DueNs);
    }

    /// <inheritdoc/>
    public void BabbledPastMicroframe(byte address) => _wire.PortOf(address)?.ReportBabble();

    /// <inheritdoc/>
    public void Written(in RegisterWrite write)
    {
        switch (write.Offset)
        {
            case EhciRegisters.Command:
                CommandWritten(new(new((uint)write.Before)), new(new((uint)write.After)));
                break;
            case EhciRegisters.FrameIndexAt when !IsRunning:
                // Writable only while halted; while running, the next look at it shows the time again.
                _clock.Set((uint)write.After);
                _seen = write.After;
                break;
            case EhciRegisters.Segment:
                _memory.Segment = (uint)write.After;
                break;
            case EhciRegisters.ConfigureFlagAt when write.Before != write.After:
                foreach (EhciRootPort port in _ports)
                    RaiseIf(port.Route(IsConfigured));
                break;
            case >= EhciRegisters.FirstPort:
                EhciRootPort written = _ports[(write.Offset - EhciRegisters.FirstPort) / 4];
                RaiseIf(written.Written(new(new((uint)write.Before)), _loop.NowNs, IsConfigured));
                break;
            default:
                break;
        }
    }

    /// <summary>Does what time alone brings: the rollover of the frame list, and the ends of resets.</summary>
    public void Tick()
    {
        _ = Sync();
        foreach (EhciRootPort port in _ports)
        {
            if (port.DueNs <= _loop.NowNs)
                port.Tick(_loop.NowNs);
        }
    }

    /// <summary>Status that is due becomes visible, and the interrupt follows.</summary>
    public void Settle()
    {
        _interrupt.Settle();
        ulong due = _interrupt.DueNs;
        foreach (EhciRootPort port in _ports)
            due = Math.Min(due, port.DueNs);
        DueNs = Math.Min(due, RolloverNs());
    }

    /// <summary>A microframe begins.</summary>
    /// <returns>Whether its periodic list is to be walked.</returns>
    public bool BeginMicroframe()
    {
        _index = Sync();
        IsInMicroframe = true;
        Statistics.Microframes++;
        Share.PeriodicLeftNs = Share.PeriodicBudgetNs;
        UsbCommand command = _registers.UsbCommand;
        UsbStatus status = _registers.UsbStatus;

        // The asynchronous schedule starts and stops with any microframe, the periodic one with a frame.
        bool isPeriodic = (_index & 7) == 0 ? command.PeriodicEnable : status.PeriodicActive;
        _registers.UsbStatus = status with { AsyncActive = command.AsyncEnable, PeriodicActive = isPeriodic };
        CountSchedule();
        return isPeriodic;
    }

    /// <summary>Begins to walk the periodic list of the current frame.</summary>
    /// <returns><c>false</c> where the bus failed.</returns>
    public bool StartPeriodic() => _periodic.Start(_index);

    /// <summary>Visits the next structure of the periodic list.</summary>
    /// <param name="leftNs">Nanoseconds that are left of the microframe.</param>
    public QueueVisit StepPeriodic(uint leftNs)
    {
        if (!IsInMicroframe)
            return new(VisitOutcome.End);
        if (Share.PeriodicLeftNs == 0)
        {
            Statistics.PeriodicCutOffs++;
            return new(VisitOutcome.End);
        }

        QueueVisit visit = _periodic.Step(Math.Min(leftNs, Share.PeriodicLeftNs));
        uint spent = visit.Outcome switch
        {
            VisitOutcome.Transacted => visit.WireNs,
            VisitOutcome.Skipped => _options.FetchNs,
            _ => 0,
        };
        Share.PeriodicLeftNs -= Math.Min(spent, Share.PeriodicLeftNs);
        return visit;
    }

    /// <summary>The time of the microframe begins that belongs to asynchronous schedules.</summary>
    /// <returns>Whether it has one that runs.</returns>
    public bool StartAsync()
    {
        bool isActive = IsInMicroframe && _registers.UsbStatus.AsyncActive;
        if (isActive)
            _async.Start();
        return isActive;
    }

    /// <summary>Visits the next queue head of the asynchronous list.</summary>
    /// <param name="leftNs">Nanoseconds that are left of the microframe.</param>
    public QueueVisit StepAsync(uint leftNs) => IsInMicroframe ? _async.Step(leftNs) : new(VisitOutcome.End);

    /// <summary>Stops, with what was under way done.</summary>
    public void Halt()
    {
        _clock.Stop(_loop.NowNs);
        Leave();
        _registers.UsbStatus = _registers.UsbStatus with { Halted = true, PeriodicActive = false, AsyncActive = false };
    }

    /// <summary>A bus error: run/stop falls, the error and the halt show at the same time, and only a reset recovers.</summary>
    public void Die()
    {
        if (!IsRunning)
            return;
        IsDead = true;
        Statistics.HostSystemErrors++;
        _registers.UsbCommand = _registers.UsbCommand with { Run = false };
        Halt();
        Raise(StatusBits.HostSystemError);
    }

    private void CommandWritten(UsbCommand before, UsbCommand after)
    {
        if (after.Reset)
        {
            Reset();
            return;
        }

        if (after.LightReset)
        {
            // Everything but the ports and whom they belong to.
            _registers.ResetButPorts();
            Forget();
            return;
        }

        // Software sets the doorbell, hardware alone clears it. After a host system error only a reset lets it run.
        if (after.AsyncAdvanceDoorbell && !before.AsyncAdvanceDoorbell)
            _async.Ring();
        _registers.UsbCommand = after with
        {
            AsyncAdvanceDoorbell = before.AsyncAdvanceDoorbell || after.AsyncAdvanceDoorbell,
            Run = after.Run && !IsDead,
        };
        if (after.Run && !IsDead && !IsRunning)
            Start();
        else if (IsStopping && !_engine.IsOnWire(this))
            Halt();
    }

    private void Start()
    {
        _engine.Join(this, _clock);
        (IsRunning, IsInMicroframe) = (true, false);
        _registers.UsbStatus = _registers.UsbStatus with { Halted = false };
    }

    // The registers are at their reset values; so is what stands behind them.
    private void Forget()
    {
        Leave();
        _clock.Set(0);
        _async.Reset();
        _memory.Segment = 0;
        (IsDead, _seen) = (false, 0);
        _interrupt.Forget();
        SettleAndPlan();
    }

    private void Leave()
    {
        if (IsRunning)
            _engine.Leave(this);
        (IsRunning, IsInMicroframe) = (false, false);
        CountSchedule();
    }

    private void CountSchedule()
    {
        bool isScheduled = IsRunning && HasSchedule;
        if (isScheduled == IsScheduled)
            return;
        IsScheduled = isScheduled;
        _engine.CountScheduled(isScheduled ? 1 : -1);
    }

    // Brings what follows from time alone into the registers: the frame index, and the rollover of the frame list.
    private uint Sync()
    {
        ulong count = _clock.Count(_loop.NowNs);
        int bit = _registers.RolloverBit;
        if (count >> bit != _seen >> bit)
            Raise(StatusBits.FrameListRollover);
        _seen = count;
        uint index = FrameClock.IndexOf(count);
        _registers.File[EhciRegisters.FrameIndexAt] = index;
        return index;
    }

    // A rollover needs an event only where somebody waits for it.
    private ulong RolloverNs()
    {
        if (!IsRunning || (_registers.File[EhciRegisters.InterruptEnable] & StatusBits.FrameListRollover) == 0)
            return Never;
        int bit = _registers.RolloverBit;
        return _clock.StartOf(((_clock.Count(_loop.NowNs) >> bit) + 1) << bit);
    }

    /// <summary>A port did something by itself, or for somebody else than the driver of the registers.</summary>
    /// <param name="isChange">Whether software is told of it.</param>
    public void Changed(bool isChange)
    {
        RaiseIf(isChange);
        SettleAndPlan();
    }

    private void RaiseIf(bool isPortChange)
    {
        if (isPortChange)
            Raise(StatusBits.PortChange);
    }

    private void Raise(uint statusBits)
    {
        _interrupt.Raise(statusBits);
        DueNs = 0;
        _engine.NeedsSettling();
    }

    // Whatever software or a device did: status becomes visible, the interrupt follows, and the next event is planned.
    private void SettleAndPlan()
    {
        CountSchedule();
        Settle();
        _engine.Due(DueNs);
        _engine.Plan();
    }
}
