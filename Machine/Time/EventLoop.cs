namespace Dma.Machine;

/// <summary>Virtual time and all that happens in it, in one order: by due time, then by the order of asking.</summary>
/// <remarks>
/// Hardware is callbacks on this loop; software is <c>async</c> methods, begun by <see cref="Start"/> or
/// <see cref="Run{T}"/>, whose awaits complete on it. Everything runs on the thread that calls <see cref="RunUntil"/>
/// or a sibling, so one machine needs no locks and the same inputs give the same run. No wall clock is read. An
/// exception of an event, or of software that nobody awaits, leaves the loop through the method that runs it.
/// </remarks>
public sealed class EventLoop
{
    /// <summary>How many events may happen at one instant; more is software or hardware that goes in circles.</summary>
    public const int EventsPerInstantMax = 10_000_000;

    private readonly PriorityQueue<ScheduledEvent, (ulong Due, ulong Sequence)> _events = new();
    private readonly LoopSynchronizationContext _context;
    private readonly Stack<LoopWait> _waits = new();
    private readonly Dictionary<Type, object> _spare = [];
    private ulong _sequence;
    private int _eventsThisInstant;
    private bool _isRunning;

    /// <summary>A loop at time zero with nothing to do.</summary>
    public EventLoop() => _context = new(this);

    /// <summary>Virtual time since power-on, in nanoseconds.</summary>
    public ulong NowNs { get; private set; }

    /// <summary>How many events have run.</summary>
    public ulong EventsRun { get; private set; }

    /// <summary>When the next event is due, in nanoseconds since power-on; null where nothing is planned.</summary>
    public ulong? NextDueNs
    {
        get
        {
            // Places that were called off or moved are passed over for good.
            while (_events.TryPeek(out ScheduledEvent? next, out (ulong Due, ulong Sequence) at))
            {
                if (next.Ticket == at.Sequence)
                    return at.Due;
                _ = _events.Dequeue();
            }

            return null;
        }
    }

    /// <summary>Lets something happen after a delay.</summary>
    /// <param name="delayNs">Nanoseconds from now; 0 comes after everything that is already due now, and what would be past the end of time comes at its end.</param>
    /// <param name="action">What happens.</param>
    /// <returns>The event, which can be called off.</returns>
    public ScheduledEvent Schedule(ulong delayNs, Action action)
    {
        ScheduledEvent scheduled = new(action);
        Schedule(delayNs, scheduled);
        return scheduled;
    }

    /// <summary>Plans an event that its owner keeps; where it was planned already, it moves.</summary>
    /// <param name="delayNs">As for <see cref="Schedule(ulong, Action)"/>.</param>
    /// <param name="scheduled">The event.</param>
    public void Schedule(ulong delayNs, ScheduledEvent scheduled)
    {
        scheduled.Ticket = ++_sequence;
        _events.Enqueue(scheduled, (After(delayNs), _sequence));
    }

    /// <summary>Runs events until a condition holds, nothing is left to do, or time is up.</summary>
    /// <param name="done">Looked at before each event.</param>
    /// <param name="limitNs">How far time may go from now, in nanoseconds.</param>
    /// <returns>Whether the condition held in the end.</returns>
    /// <exception cref="InvalidOperationException">The loop runs already, or time stands still in a circle of events.</exception>
    public bool RunUntil(Func<bool> done, ulong limitNs = ulong.MaxValue)
    {
        if (_isRunning)
            throw new InvalidOperationException("The loop runs already: what happens on it awaits, it does not run the loop again.");
        ulong end = After(limitNs);
        SynchronizationContext? outside = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(_context);
        _isRunning = true;
        try
        {
            while (!done())
            {
                if (!RunNext(end))
                    return false;
            }

            return true;
        }
        finally
        {
            _isRunning = false;
            SynchronizationContext.SetSynchronizationContext(outside);
        }
    }

    /// <summary>Lets a stretch of time pass with all that is due in it.</summary>
    /// <param name="durationNs">Nanoseconds.</param>
    public void RunFor(ulong durationNs)
    {
        ulong end = After(durationNs);
        _ = RunUntil(static () => false, durationNs);
        MoveTo(end);
    }

    /// <summary>Starts software and runs until it returns.</summary>
    /// <param name="software">The method to run, up to its first await right away.</param>
    /// <param name="limitNs">How much virtual time it may take, in nanoseconds.</param>
    /// <exception cref="TimeoutException">It did not return in time, or waits for something that can no longer come.</exception>
    public T Run<T>(Func<Task<T>> software, ulong limitNs = ulong.MaxValue)
    {
        Task<T>? task = null;
        _ = Schedule(0, () => task = software());
        return RunUntil(() => task is { IsCompleted: true }, limitNs)
            ? task!.GetAwaiter().GetResult()
            : throw new TimeoutException($"The software did not finish by {NowNs} ns of virtual time.");
    }

    /// <inheritdoc cref="Run{T}(Func{Task{T}}, ulong)"/>
    public void Run(Func<Task> software, ulong limitNs = ulong.MaxValue) =>
        _ = Run(
            async () =>
            {
                await software();
                return true;
            },
            limitNs);

    /// <summary>Starts software that nobody waits for, such as an interrupt handler that serves for ever.</summary>
    /// <param name="software">The method to run; an exception that it ends with leaves the loop.</param>
    public void Start(Func<Task> software)
    {
        // What an async void method throws is posted to the context that it began in: this loop.
        async void Begin() => await software();
        _ = Schedule(0, Begin);
    }

    /// <summary>An await that takes a stretch of virtual time.</summary>
    /// <param name="delayNs">Nanoseconds.</param>
    public ValueTask Delay(ulong delayNs)
    {
        CheckIsSoftware();
        LoopWait wait = TakeWait();
        Schedule(delayNs, wait.Ending);
        return wait.Begin();
    }

    /// <summary>Fails where the caller was not begun by this loop, since its awaits would then continue on another thread.</summary>
    internal void CheckIsSoftware()
    {
        if (SynchronizationContext.Current != _context)
            throw new InvalidOperationException("Only software on the loop can wait: begin it by Run or Start.");
    }

    /// <summary>The loop whose software runs here; null where none does.</summary>
    internal static EventLoop? Current => (SynchronizationContext.Current as LoopSynchronizationContext)?.Loop;

    /// <summary>Objects of a kind that nobody uses.</summary>
    internal Stack<T> SpareOf<T>()
    {
        if (_spare.TryGetValue(typeof(T), out object? spare))
            return (Stack<T>)spare;
        Stack<T> none = new();
        _spare.Add(typeof(T), none);
        return none;
    }

    /// <summary>A wait that nobody uses.</summary>
    internal LoopWait TakeWait() => _waits.TryPop(out LoopWait? wait) ? wait : new(this);

    /// <summary>Takes a wait back whose end somebody has seen: it serves the next one.</summary>
    internal void Return(LoopWait wait) => _waits.Push(wait);

    private bool RunNext(ulong end)
    {
        if (!_events.TryPeek(out ScheduledEvent? next, out (ulong Due, ulong Sequence) at))
            return false;
        if (next.Ticket != at.Sequence)
        {
            _ = _events.Dequeue();
            return true;
        }

        if (at.Due > end)
        {
            MoveTo(end);
            return false;
        }

        _ = _events.Dequeue();
        MoveTo(at.Due);
        if (++_eventsThisInstant > EventsPerInstantMax)
            throw new InvalidOperationException($"More than {EventsPerInstantMax} events at {NowNs} ns: something goes in circles.");
        EventsRun++;
        next.Happen();
        return true;
    }

    private ulong After(ulong delayNs) => delayNs > ulong.MaxValue - NowNs ? ulong.MaxValue : NowNs + delayNs;

    private void MoveTo(ulong timeNs)
    {
        if (timeNs == NowNs)
            return;
        NowNs = timeNs;
        _eventsThisInstant = 0;
    }

    /// <summary>Brings what awaits post back onto the loop.</summary>
    private sealed class LoopSynchronizationContext(EventLoop loop) : SynchronizationContext
    {
        public EventLoop Loop => loop;

        public override void Post(SendOrPostCallback d, object? state) => _ = loop.Schedule(0, () => d(state));

        public override void Send(SendOrPostCallback d, object? state) => d(state);

        public override SynchronizationContext CreateCopy() => this;
    }
}
