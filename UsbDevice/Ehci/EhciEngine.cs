using System.Numerics;
using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>The controller behind the bus interface: the bus, and the microframes in which the schedules of all register sets run.</summary>
/// <remarks>
/// In each microframe the periodic lists of all sets come first, then their asynchronous lists, which take turns as the
/// policy says. One event on the loop is planned at a time: the end of the transaction on the wire, the next microframe
/// while a schedule is on, an interrupt threshold, a port. While nothing is on, nothing happens, and the frame index
/// follows from the time. What a visit to a structure without work costs is counted within its microframe, but takes no event.
/// </remarks>
internal sealed class EhciEngine : IAddressedBus
{
    private const ulong Never = ulong.MaxValue;

    private readonly EventLoop _loop;
    private readonly uint _fetchNs;
    private readonly bool _cachesWholeFrame;
    private readonly EhciRegisterSet[] _sets;
    private readonly ScheduledEvent _wake;

    private ulong _wakeNs = Never;
    private ulong _dueNs = Never;
    private ulong _wireFreeNs;
    private ulong _microframe = Never;
    private EhciRegisterSet? _onWire;
    private Phase _phase;
    private int _setCount;
    private int _scheduled;
    private int _first;

    // Sets as bits: those that run, and those whose periodic list is still to be walked in this microframe.
    private ulong _running;
    private ulong _toWalk;
    private int _walked;
    private bool _isFresh;
    private bool _needsSettling;

    /// <summary>A bus with empty ports, and no register set yet.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="portCount">Root ports.</param>
    /// <param name="options">How the controller is built.</param>
    /// <param name="addresses">How device addresses are replaced; null where they are not.</param>
    /// <param name="setCount">How many sets there will be.</param>
    public EhciEngine(EventLoop loop, int portCount, EhciOptions options, AddressOptions? addresses = null, int setCount = 1)
    {
        (_loop, _fetchNs, _cachesWholeFrame) = (loop, options.FetchNs, options.CachesWholeFrame);
        _wake = new(Wake);
        _sets = new EhciRegisterSet[setCount];
        Turns = new(_sets);
        RootHub = new(portCount);
        Usb = RootHub.Usb;
        Held = new(loop, setCount);
        if (addresses is null)
            return;
        Addresses = new(loop, this, addresses, setCount, Held);
        Configurations = new(Held, Addresses.Table, setCount);
        Addresses.Table.Freed = Configurations.Lost;
    }

    private enum Phase
    {
        /// <summary>Nothing to do until the next microframe.</summary>
        Idle,

        /// <summary>In the periodic schedules.</summary>
        Periodic,

        /// <summary>In the asynchronous schedules.</summary>
        Async,
    }

    /// <summary>The root ports, and to which set each belongs.</summary>
    public EhciRootHub RootHub { get; }

    /// <summary>The bus at the root ports.</summary>
    public UsbBus Usb { get; }

    /// <summary>Who comes next in the asynchronous time of a microframe.</summary>
    public AsyncTurns Turns { get; }

    /// <summary>The register sets, by number.</summary>
    public IReadOnlyList<EhciRegisterSet> Sets => _sets;

    /// <summary>Whether the driver of one set resets all.</summary>
    public bool SharesReset { get; set; }

    /// <summary>What keeps the device addresses of several sets apart; null where there is one set, or nothing that does.</summary>
    public AddressReplacement? Addresses { get; }

    /// <summary>Requests of drivers that software decides on.</summary>
    public HeldRequests Held { get; }

    /// <summary>Those among them by which drivers choose what devices send periodically; null where addresses are not replaced.</summary>
    public ConfigurationRequests? Configurations { get; }

    /// <summary>Who is told how the bus is used, or null.</summary>
    public IBusShareObserver? Observer
    {
        get;
        set
        {
            field = value;
            if (Addresses is { } addresses)
                addresses.Table.Observer = value;
        }
    }

    /// <inheritdoc/>
    void IAddressedBus.ZeroMoved(int owner)
    {
        Observer?.AddressZeroMoved(owner, _loop.NowNs);
        if (owner >= 0)
            _sets[owner].Ports.Release();
    }

    /// <inheritdoc/>
    void IAddressedBus.Shut(int set, int port) => _sets[set].Ports.Shut(port);

    /// <summary>Adds a register set; it owns no ports.</summary>
    /// <param name="dma">Its way to memory.</param>
    /// <param name="interrupt">Its interrupt.</param>
    /// <param name="options">How it is built.</param>
    public EhciRegisterSet AddSet(IDmaPort dma, IEhciInterrupt interrupt, EhciOptions options)
    {
        EhciRegisterSet set = new(this, _setCount, _loop, dma, interrupt, options);
        return _sets[_setCount++] = set;
    }

    /// <summary>Whether the transaction that the wire is busy with is one of a set.</summary>
    public bool IsOnWire(EhciRegisterSet set) => _onWire == set && _wireFreeNs > _loop.NowNs;

    /// <summary>A set starts: the bus runs from here on, if it did not before.</summary>
    /// <param name="set">The set.</param>
    /// <param name="clock">Its clock, which is started in step with the bus.</param>
    public void Join(EhciRegisterSet set, FrameClock clock)
    {
        ulong now = _loop.NowNs;
        if (_running == 0)
        {
            Usb.Frames.Set(clock.Index(now));
            Usb.Frames.Start(now);
            (_phase, _microframe, _wireFreeNs) = (Phase.Idle, Never, now);
        }

        _running |= 1ul << set.Number;
        clock.Follow(Usb.Frames, now);
    }

    /// <summary>A set stops: with the last one the bus does.</summary>
    public void Leave(EhciRegisterSet set)
    {
        _running &= ~(1ul << set.Number);
        if (_running != 0)
            return;
        _phase = Phase.Idle;
        Usb.Frames.Stop(_loop.NowNs);
    }

    /// <summary>The driver of a set resets it.</summary>
    public void Reset(EhciRegisterSet asked) => Array.ForEach(SharesReset ? _sets : [asked], static set => set.Reset());

    /// <summary>More or fewer sets have a schedule to run.</summary>
    public void CountScheduled(int change) => _scheduled += change;

    /// <summary>A set has something to do at a time.</summary>
    public void Due(ulong dueNs) => _dueNs = Math.Min(_dueNs, dueNs);

    /// <summary>Status of a set changed: at the end of the event, its interrupt follows.</summary>
    public void NeedsSettling() => _needsSettling = true;

    /// <summary>Plans the next event.</summary>
    public void Plan()
    {
        ulong next = Math.Max(Math.Min(_dueNs, NextWork()), _loop.NowNs);

        // An event that comes too early only plans anew, so none is ever moved to a later time.
        if (next >= _wakeNs)
            return;
        _wakeNs = next;
        _loop.Schedule(next - _loop.NowNs, _wake);
    }

    private void Wake()
    {
        _wakeNs = Never;
        ulong now = _loop.NowNs;
        if (_dueNs <= now)
        {
            foreach (EhciRegisterSet set in _sets)
            {
                if (set.DueNs <= now)
                    set.Tick();
            }
        }

        if (_wireFreeNs <= now)
        {
            if (_onWire is { IsStopping: true } stopping)
                stopping.Stop();
            if (_running != 0)
                RunMicroframe();
        }

        if (_dueNs <= now || _needsSettling)
            Settle(now);
        Plan();
    }

    private void Settle(ulong now)
    {
        ulong due = Never;
        foreach (EhciRegisterSet set in _sets)
        {
            if (set.DueNs <= now)
                set.Settle();
            due = Math.Min(due, set.DueNs);
        }

        (_dueNs, _needsSettling) = (due, false);
    }

    // Goes on in the current microframe until a transaction occupies the wire or there is nothing more to do.
    private void RunMicroframe()
    {
        ulong at = _loop.NowNs;
        ulong count = Usb.Frames.Count(at);
        if (count != _microframe)
            BeginMicroframe(count);
        ulong end = Usb.Frames.StartOf(count + 1);
        while (_phase != Phase.Idle)
        {
            if (at >= end)
            {
                _phase = Phase.Idle;
                return;
            }

            bool isPeriodic = _phase == Phase.Periodic;
            QueueVisit visit = isPeriodic ? StepPeriodic((uint)(end - at)) : StepAsync((uint)(end - at));
            if (visit.Outcome == VisitOutcome.Transacted)
            {
                _wireFreeNs = at + visit.WireNs;
                Observer?.BusUsed(new(_onWire!.Number, at, visit.WireNs, isPeriodic));
                return;
            }

            if (visit.Outcome == VisitOutcome.Skipped)
                at += _fetchNs;
        }
    }

    private void BeginMicroframe(ulong count)
    {
        _microframe = count;
        _toWalk = 0;
        for (ulong left = _running; left != 0; left &= left - 1)
        {
            EhciRegisterSet set = _sets[BitOperations.TrailingZeroCount(left)];
            if (set.BeginMicroframe())
                _toWalk |= 1ul << set.Number;
        }

        // Whose periodic list comes first changes from microframe to microframe.
        _first = _first + 1 < _sets.Length ? _first + 1 : 0;
        _phase = Phase.Periodic;
        _ = StartPeriodic();
    }

    // The next set with a periodic list; behind the last of them, asynchronous time begins.
    private bool StartPeriodic()
    {
        while (_toWalk != 0)
        {
            ulong behind = _toWalk & (ulong.MaxValue << _first);
            _walked = BitOperations.TrailingZeroCount(behind != 0 ? behind : _toWalk);
            _toWalk &= ~(1ul << _walked);
            EhciRegisterSet set = _sets[_walked];
            if (!set.IsInMicroframe)
                continue;
            if (set.StartPeriodic())
                return true;
            Fail(set);
        }

        BeginAsync();
        return false;
    }

    private QueueVisit StepPeriodic(uint leftNs)
    {
        EhciRegisterSet set = _sets[_walked];
        QueueVisit visit = set.StepPeriodic(leftNs);
        if (visit.Outcome is VisitOutcome.Transacted or VisitOutcome.Skipped)
        {
            if (visit.Outcome == VisitOutcome.Transacted)
                Occupied(set, visit);
            return visit;
        }

        if (visit.Outcome == VisitOutcome.Fault)
            Fail(set);

        // The element of the first list was read ahead; that of each list behind it takes its time.
        return new(StartPeriodic() ? VisitOutcome.Skipped : VisitOutcome.End);
    }

    private void BeginAsync()
    {
        ulong members = 0;
        for (ulong left = _running; left != 0; left &= left - 1)
        {
            EhciRegisterSet set = _sets[BitOperations.TrailingZeroCount(left)];
            if (set.StartAsync())
                members |= 1ul << set.Number;
        }

        Turns.Begin(members);
        _isFresh = true;
        _phase = members == 0 ? Phase.Idle : Phase.Async;
    }

    private QueueVisit StepAsync(uint leftNs)
    {
        EhciRegisterSet set = _sets[Turns.Current];
        QueueVisit visit = set.StepAsync(leftNs);
        switch (visit.Outcome)
        {
            case VisitOutcome.Transacted:
                _isFresh = false;
                Occupied(set, visit);
                Turns.Visited(visit.WireNs);
                break;
            case VisitOutcome.Skipped:
                Turns.Visited(_fetchNs);
                break;
            case VisitOutcome.NoTime when !_isFresh:
                // It is the first of the next microframe.
                _phase = Phase.Idle;
                return visit;
            case VisitOutcome.Fault:
                Turns.Leave();
                Fail(set);
                break;
            default:
                // Its list is empty for now; or what it asks for does not fit into any time there is, and it holds nobody up.
                Turns.Leave();
                break;
        }

        if (!Turns.HasTurn)
            _phase = Phase.Idle;
        return visit;
    }

    private void Occupied(EhciRegisterSet set, QueueVisit visit)
    {
        if (_onWire != set)
            _onWire = set;
        set.Statistics.Visits++;
        set.Statistics.WireNs += visit.WireNs;
    }

    // Memory refused an access. All that is known of it is the requester: whoever shares it has failed as well.
    private void Fail(EhciRegisterSet failed)
    {
        foreach (EhciRegisterSet set in _sets)
        {
            if (set.Requester == failed.Requester)
                set.Die();
        }
    }

    // A frame whose list was found empty needs no second look, where the controller reads a whole frame ahead.
    private ulong NextMicroframe(ulong count)
    {
        bool isRestOfFrameIdle = _cachesWholeFrame && count == _microframe
            && Array.TrueForAll(_sets, static set => !set.IsScheduled || set.IsRestOfFrameIdle);
        return isRestOfFrameIdle ? (count | 7) + 1 : count + 1;
    }

    private ulong NextWork()
    {
        ulong now = _loop.NowNs;
        if (_running == 0)
            return Never;
        if (_wireFreeNs > now)
            return _wireFreeNs;
        if (_scheduled == 0)
            return Never;
        return _microframe == Never ? now : Usb.Frames.StartOf(NextMicroframe(Usb.Frames.Count(now)));
    }
}
