using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The controller behind the bus interface: registers, ports, and the microframes in which the schedules run.</summary>
/// <remarks>
/// One event on the loop is planned at a time: the end of the transaction on the wire, the next microframe while a
/// schedule is on, an interrupt threshold, a port. While nothing is on, nothing happens, and the frame index follows
/// from the time. What a visit to a structure without work costs is counted within its microframe, but takes no event.
/// </remarks>
internal sealed class EhciEngine : IRegisterEffects, IScheduleEvents, IPortOwner
{
    private const ulong Never = ulong.MaxValue;

    private readonly EventLoop _loop;
    private readonly EhciOptions _options;
    private readonly ThresholdInterrupt _interrupt;
    private readonly EhciRegisters _registers;
    private readonly ScheduleMemory _memory;
    private readonly AsyncSchedule _async;
    private readonly PeriodicSchedule _periodic;
    private readonly FrameClock _clock;
    private readonly EhciRootPort[] _ports;
    private readonly ScheduledEvent _wake;

    private ulong _wakeNs = Never;
    private ulong _wireFreeNs;
    private ulong _microframe;
    private ulong _seen;
    private Phase _phase;
    private bool _isDead;

    /// <summary>A controller at its reset values.</summary>
    public EhciEngine(EventLoop loop, IDmaPort dma, IEhciInterrupt interrupt, EhciOptions options)
    {
        (_loop, _options) = (loop, options);
        _wake = new(Wake);
        _registers = new(options);
        _memory = new(dma, options);
        Usb = new(this, UsbSpeed.High, options.PortCount);
        _clock = Usb.Frames;
        _interrupt = new(_registers, _clock, loop, interrupt);
        QueueExecutor executor = new(_memory, Usb, this);
        _async = new(_registers, _memory, executor, this);
        _periodic = new(_registers, _memory, Usb, executor, this);
        _ports = new EhciRootPort[options.PortCount];
        for (int index = 0; index < _ports.Length; index++)
            _ports[index] = new(_registers, index, Usb.Ports[index]);
    }

    private enum Phase
    {
        /// <summary>Not running.</summary>
        Halted,

        /// <summary>Running, with nothing to do until the next microframe.</summary>
        Idle,

        /// <summary>In the periodic schedule.</summary>
        Periodic,

        /// <summary>In the asynchronous schedule.</summary>
        Async,
    }

    /// <summary>The bus at the root ports.</summary>
    public UsbBus Usb { get; }

    /// <summary>What it did since power-on.</summary>
    public EhciStatistics Statistics { get; } = new();

    private bool IsConfigured => (_registers.File[EhciRegisters.ConfigureFlagAt] & 1) != 0;

    private bool IsStopping => _phase != Phase.Halted && !_registers.UsbCommand.Run;

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
        Sync();
        return _registers.File.Read(offset, width);
    }

    /// <summary>A write by software.</summary>
    public void Write(int offset, int width, ulong value)
    {
        Sync();
        _registers.File.Write(offset, width, value, this);
        Settle();
    }

    /// <summary>Everything goes back to its reset value; no reset is driven onto the bus.</summary>
    public void Reset()
    {
        _registers.File.Reset();
        foreach (EhciRootPort port in _ports)
            port.Reset();
        Forget();
    }

    // The light reset: everything but the ports and whom they belong to.
    private void ResetLightly()
    {
        _registers.ResetButPorts();
        Forget();
    }

    // The registers are at their reset values; so is what stands behind them.
    private void Forget()
    {
        _clock.Set(0);
        _async.Reset();
        _memory.Segment = 0;
        (_phase, _isDead, _seen) = (Phase.Halted, false, 0);
        _interrupt.Forget();
        Settle();
    }

    /// <summary>The current through a root port became too much, or is well again.</summary>
    public void SetOverCurrent(int port, bool isOver) => Changed(_ports[port - 1].SetOverCurrent(isOver, IsConfigured));

    /// <inheritdoc/>
    public void PortChanged(UsbPort port) => Changed(_ports[port.Number - 1].Connect(IsConfigured));

    /// <inheritdoc/>
    public void WakeSignalled(UsbPort port) => Changed(_ports[port.Number - 1].Wake());

    /// <inheritdoc/>
    public void Post(uint statusBits) => _interrupt.Post(statusBits);

    /// <inheritdoc/>
    public void BabbledPastMicroframe(byte address) => Usb.PortOf(address)?.ReportBabble();

    /// <inheritdoc/>
    public void Babbled(UsbPort port) => RaiseIf(_ports[port.Number - 1].DisableByError());

    /// <inheritdoc/>
    public void Written(in RegisterWrite write)
    {
        switch (write.Offset)
        {
            case EhciRegisters.Command:
                CommandWritten(new(new((uint)write.Before)), new(new((uint)write.After)));
                break;
            case EhciRegisters.FrameIndexAt when _phase == Phase.Halted:
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

    private void CommandWritten(UsbCommand before, UsbCommand after)
    {
        if (after.Reset)
        {
            Reset();
            return;
        }

        if (after.LightReset)
        {
            ResetLightly();
            return;
        }

        // Software sets the doorbell, hardware alone clears it. After a host system error only a reset lets it run.
        if (after.AsyncAdvanceDoorbell && !before.AsyncAdvanceDoorbell)
            _async.Ring();
        _registers.UsbCommand = after with
        {
            AsyncAdvanceDoorbell = before.AsyncAdvanceDoorbell || after.AsyncAdvanceDoorbell,
            Run = after.Run && !_isDead,
        };
        if (after.Run && !_isDead && _phase == Phase.Halted)
            Start();
        else if (IsStopping && _wireFreeNs <= _loop.NowNs)
            Halt();
    }

    private void Start()
    {
        _clock.Start(_loop.NowNs);
        (_phase, _microframe, _wireFreeNs) = (Phase.Idle, Never, _loop.NowNs);
        _registers.UsbStatus = _registers.UsbStatus with { Halted = false };
    }

    private void Halt()
    {
        _clock.Stop(_loop.NowNs);
        _phase = Phase.Halted;
        _registers.UsbStatus = _registers.UsbStatus with { Halted = true, PeriodicActive = false, AsyncActive = false };
    }

    // A bus error: run/stop falls, the error and the halt show at the same time, and only a reset recovers.
    private void Die()
    {
        _isDead = true;
        Statistics.HostSystemErrors++;
        _registers.UsbCommand = _registers.UsbCommand with { Run = false };
        Halt();
        Raise(StatusBits.HostSystemError);
    }

    private void Wake()
    {
        _wakeNs = Never;
        Sync();
        foreach (EhciRootPort port in _ports)
        {
            if (port.DueNs <= _loop.NowNs)
                port.Tick(_loop.NowNs);
        }

        if (_phase != Phase.Halted && _wireFreeNs <= _loop.NowNs)
        {
            if (IsStopping)
                Halt();
            else
                RunMicroframe();
        }

        Settle();
    }

    // Goes on in the current microframe until a transaction occupies the wire or there is nothing more to do.
    private void RunMicroframe()
    {
        ulong at = _loop.NowNs;
        ulong count = _clock.Count(at);
        if (count != _microframe && !BeginMicroframe(count))
        {
            Die();
            return;
        }

        ulong end = _clock.StartOf(count + 1);
        while (_phase != Phase.Idle)
        {
            if (at >= end)
            {
                _phase = Phase.Idle;
                return;
            }

            QueueVisit visit = _phase == Phase.Periodic ? _periodic.Step((uint)(end - at)) : _async.Step((uint)(end - at));
            switch (visit.Outcome)
            {
                case VisitOutcome.Transacted:
                    Statistics.Visits++;
                    _wireFreeNs = at + visit.WireNs;
                    return;
                case VisitOutcome.Skipped:
                    at += _options.FetchNs;
                    break;
                case VisitOutcome.End when _phase == Phase.Periodic:
                    BeginAsync();
                    break;
                case VisitOutcome.End or VisitOutcome.NoTime:
                    _phase = Phase.Idle;
                    break;
                default:
                    Die();
                    return;
            }
        }
    }

    private bool BeginMicroframe(ulong count)
    {
        _microframe = count;
        Statistics.Microframes++;
        uint index = _clock.Index(_loop.NowNs);
        UsbCommand command = _registers.UsbCommand;
        UsbStatus status = _registers.UsbStatus;

        // The asynchronous schedule starts and stops with any microframe, the periodic one with a frame.
        bool isPeriodic = (index & 7) == 0 ? command.PeriodicEnable : status.PeriodicActive;
        _registers.UsbStatus = status with { AsyncActive = command.AsyncEnable, PeriodicActive = isPeriodic };
        if (!isPeriodic)
        {
            BeginAsync();
            return true;
        }

        _phase = Phase.Periodic;
        return _periodic.Start(index);
    }

    private void BeginAsync()
    {
        _phase = _registers.UsbStatus.AsyncActive ? Phase.Async : Phase.Idle;
        if (_phase == Phase.Async)
            _async.Start();
    }

    // Brings what follows from time alone into the registers: the frame index, and the rollover of the frame list.
    private void Sync()
    {
        ulong count = _clock.Count(_loop.NowNs);
        int bit = _registers.RolloverBit;
        if (count >> bit != _seen >> bit)
            Raise(StatusBits.FrameListRollover);
        _seen = count;
        _registers.File[EhciRegisters.FrameIndexAt] = _clock.Index(_loop.NowNs);
    }

    private void Changed(bool isChange)
    {
        RaiseIf(isChange);
        Settle();
    }

    private void RaiseIf(bool isPortChange)
    {
        if (isPortChange)
            Raise(StatusBits.PortChange);
    }

    private void Raise(uint statusBits) => _interrupt.Raise(statusBits);

    // Whatever happened: status that is due becomes visible, the interrupt follows, and the next event is planned.
    private void Settle()
    {
        _interrupt.Settle();
        Plan();
    }

    private void Plan()
    {
        ulong next = Math.Min(_interrupt.DueNs, NextWork());
        foreach (EhciRootPort port in _ports)
            next = Math.Min(next, port.DueNs);

        // An event that comes too early only plans anew, so none is ever moved to a later time.
        if (next >= _wakeNs)
            return;
        _wakeNs = next;
        _loop.Schedule(next - _loop.NowNs, _wake);
    }

    // A frame whose list was found empty needs no second look, where the controller reads a whole frame ahead.
    private ulong NextMicroframe(ulong count)
    {
        bool isRestOfFrameIdle = _options.CachesWholeFrame && count == _microframe && _periodic.IsEmpty
            && !_registers.UsbCommand.AsyncEnable && _registers.UsbStatus is { PeriodicActive: true, AsyncActive: false };
        return isRestOfFrameIdle ? (count | 7) + 1 : count + 1;
    }

    private ulong NextWork()
    {
        ulong now = _loop.NowNs;
        if (_phase == Phase.Halted)
            return Never;
        if (_wireFreeNs > now)
            return _wireFreeNs;
        if (HasSchedule)
            return _microframe == Never ? now : _clock.StartOf(NextMicroframe(_clock.Count(now)));

        // Nothing runs; a rollover needs an event only where somebody waits for it.
        bool waits = (_registers.File[EhciRegisters.InterruptEnable] & StatusBits.FrameListRollover) != 0;
        int bit = _registers.RolloverBit;
        return waits ? _clock.StartOf(((_clock.Count(now) >> bit) + 1) << bit) : Never;
    }
}
