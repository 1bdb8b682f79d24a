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
    private readonly EhciWire _wire;
    private readonly EhciRunStop _run;

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
        int rootPorts = options.PortCount - options.InternalPortCount;
        Internal = options.InternalPortCount == 0 ? null : new(this, rootPorts, options.InternalPortCount);
        _wire = new(engine, number, Internal?.Usb);
        QueueExecutor executor = new(_memory, _wire, this);
        _async = new(_registers, _memory, _wire, executor, this);
        _periodic = new(_registers, _memory, _wire, executor, this);
        _run = new(this, engine, _registers, _wire, _async, _clock, loop);
        Ports = new(this, _registers, options.PortCount, rootPorts, engine.Addresses);
        for (int port = rootPorts; port < options.PortCount; port++)
            _ = Ports.All[port].Face(Internal!.Usb.Ports[port - rootPorts], isConfigured: false);
    }

    /// <summary>Which one it is, from 0 on.</summary>
    public int Number { get; }

    /// <summary>Who asks for its accesses to memory.</summary>
    public IDmaPort Requester { get; }

    /// <summary>The ports that it shows.</summary>
    public EhciRootPorts Ports { get; }

    /// <summary>Those behind which software provides the devices; null where there are none.</summary>
    public EhciInternalPorts? Internal { get; }

    /// <summary>What it did since power-on.</summary>
    public EhciStatistics Statistics { get; } = new();

    /// <summary>Its part in the sharing of the bus.</summary>
    public BusShare Share { get; } = new();

    /// <summary>When <see cref="Tick"/> or <see cref="Settle"/> has something to do.</summary>
    public ulong DueNs { get; private set; } = Never;

    /// <summary>Not halted.</summary>
    public bool IsRunning => _run.IsRunning;

    /// <summary>Whether it met a bus error, and was not reset since.</summary>
    public bool IsDead => _run.IsDead;

    /// <summary>Whether the current microframe began while it ran.</summary>
    public bool IsInMicroframe => _run.IsInMicroframe;

    /// <summary>Whether it was told to stop, and has not.</summary>
    public bool IsStopping => _run.IsStopping;

    /// <summary>Whether it is counted among those that have a schedule to run.</summary>
    public bool IsScheduled { get; private set; }

    /// <summary>Where the asynchronous list goes on.</summary>
    public uint AsyncPosition => (uint)_registers.File[EhciRegisters.AsyncListAddress];

    /// <summary>Whether nothing will be found until the frame is over, as far as one can tell who reads a whole frame ahead.</summary>
    public bool IsRestOfFrameIdle => _periodic.IsEmpty && !_registers.UsbCommand.AsyncEnable
        && _registers.UsbStatus is { PeriodicActive: true, AsyncActive: false };

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
        // Who uses memory of software for a function that is reset has the time for it that software has to wait.
        _ = _wire.TryLetGo(isAll: true);
        _registers.File.Reset();
        Ports.Reset();
        _engine.Addresses?.Reset(Number);
        Forget();
    }

    /// <summary>Everything but the ports and whom they belong to goes back to its reset value.</summary>
    public void ResetButPorts()
    {
        _registers.ResetButPorts();
        Forget();
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
                _run.Written(new(new((uint)write.Before)), new(new((uint)write.After)));
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
                Ports.Route();
                break;
            case >= EhciRegisters.FirstPort:
                Ports.Written((write.Offset - EhciRegisters.FirstPort) / 4, new(new((uint)write.Before)), _loop.NowNs);
                break;
            default:
                break;
        }
    }

    /// <summary>Does what time alone brings: the rollover of the frame list, and the ends of resets.</summary>
    public void Tick()
    {
        _ = Sync();
        Ports.Tick(_loop.NowNs);
        if (_run.AskNs <= _loop.NowNs)
            _run.LeaveIfLetGo();
    }

    /// <summary>Status that is due becomes visible, and the interrupt follows.</summary>
    public void Settle()
    {
        _interrupt.Settle();
        DueNs = Math.Min(Math.Min(_interrupt.DueNs, Ports.DueNs), Math.Min(RolloverNs(), _run.AskNs));
    }

    /// <summary>A microframe begins.</summary>
    /// <returns>Whether its periodic list is to be walked.</returns>
    public bool BeginMicroframe()
    {
        _index = Sync();
        if (IsStopping)
        {
            _run.LeaveIfLetGo();
            return false;
        }

        _run.EnterMicroframe();
        Statistics.Microframes++;
        Share.PeriodicLeftNs = Share.PeriodicBudgetNs;
        UsbCommand command = _registers.UsbCommand;
        UsbStatus status = _registers.UsbStatus;

        // The asynchronous schedule starts and stops with any microframe, the periodic one with a frame.
        bool isPeriodic = (_index & 7) == 0 ? command.PeriodicEnable : status.PeriodicActive;
        bool isAsync = command.AsyncEnable || (status.AsyncActive && !_wire.TryLetGo(isAll: true));
        _registers.UsbStatus = status with { AsyncActive = isAsync, PeriodicActive = isPeriodic };
        CountSchedule();
        return isPeriodic;
    }

    /// <summary>Begins to walk the periodic list of the current frame.</summary>
    /// <returns><c>false</c> where the bus failed.</returns>
    public bool StartPeriodic()
    {
        Statistics.FrameListReads++;
        return _periodic.Start(_index);
    }

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
        bool isActive = IsInMicroframe && _registers.UsbStatus.AsyncActive && _registers.UsbCommand.AsyncEnable;
        if (isActive)
            _async.Start();
        return isActive;
    }

    /// <summary>Visits the next queue head of the asynchronous list.</summary>
    /// <param name="leftNs">Nanoseconds that are left of the microframe.</param>
    public QueueVisit StepAsync(uint leftNs) => IsInMicroframe ? _async.Step(leftNs) : new(VisitOutcome.End);

    /// <summary>It was told to stop, and what was under way is done.</summary>
    public void Stop() => _run.LeaveIfLetGo();

    /// <summary>A bus error: run/stop falls, the error and the halt show at the same time, and only a reset recovers.</summary>
    public void Die()
    {
        if (!_run.Die())
            return;
        Statistics.HostSystemErrors++;
        Raise(StatusBits.HostSystemError);
    }

    /// <summary>A port did something by itself, or for somebody else than the driver of the registers.</summary>
    /// <param name="isChange">Whether software is told of it.</param>
    public void PortChanged(bool isChange)
    {
        RaiseIf(isChange);
        SettleAndPlan();
    }

    /// <summary>A port changed in the middle of something that settles what follows.</summary>
    /// <param name="isPortChange">Whether software is told of it.</param>
    public void RaiseIf(bool isPortChange)
    {
        if (isPortChange)
            Raise(StatusBits.PortChange);
    }

    // The registers are at their reset values; so is what stands behind them.
    private void Forget()
    {
        _run.Forget();
        _clock.Set(0);
        _async.Reset();
        _memory.Segment = 0;
        _seen = 0;
        _interrupt.Forget();
        SettleAndPlan();
    }

    /// <summary>Has the engine know whether it has a schedule to run.</summary>
    public void CountSchedule()
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
