namespace Dma.Machine;

/// <summary>Virtual time and all that happens in it, in one order: by due time, then by the order of asking.</summary>
/// <remarks>
/// Hardware is callbacks on this loop; software is <c>async</c> methods whose awaits complete on it. Everything
/// runs on the thread that calls <see cref="RunUntil(Func{bool}, ulong)"/> or a sibling, so one machine needs no
/// locks and the same inputs give the same run. No wall clock is read.
/// </remarks>
public sealed class EventLoop
{
    private readonly PriorityQueue<Action, (ulong Due, ulong Sequence)> _events = new();
    private readonly LoopSynchronizationContext _context;
    private ulong _sequence;

    /// <summary>A loop at time zero with nothing to do.</summary>
    public EventLoop() => _context = new(this);

    /// <summary>Virtual time since power-on, in nanoseconds.</summary>
    public ulong NowNs { get; private set; }

    /// <summary>How many events have run.</summary>
    public ulong EventsRun { get; private set; }

    /// <summary>Lets something happen after a delay.</summary>
    /// <param name="delayNs">Nanoseconds from now; 0 comes after everything that is already due now.</param>
    /// <param name="action">What happens.</param>
    public void Schedule(ulong delayNs, Action action) => _events.Enqueue(action, (checked(NowNs + delayNs), _sequence++));

    /// <summary>Runs events until a condition holds, nothing is left to do, or time is up.</summary>
    /// <param name="done">Looked at before each event.</param>
    /// <param name="limitNs">How far time may go from now, in nanoseconds.</param>
    /// <returns>Whether the condition held in the end.</returns>
    public bool RunUntil(Func<bool> done, ulong limitNs = ulong.MaxValue)
    {
        ulong end = limitNs > ulong.MaxValue - NowNs ? ulong.MaxValue : NowNs + limitNs;
        SynchronizationContext? outside = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(_context);
        try
        {
            while (!done())
            {
                if (!_events.TryPeek(out Action? action, out (ulong Due, ulong Sequence) at))
                    return false;
                if (at.Due > end)
                {
                    NowNs = end;
                    return false;
                }

                _ = _events.Dequeue();
                NowNs = at.Due;
                EventsRun++;
                action();
            }

            return true;
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(outside);
        }
    }

    /// <summary>Lets a stretch of time pass with all that is due in it.</summary>
    /// <param name="durationNs">Nanoseconds.</param>
    public void RunFor(ulong durationNs)
    {
        ulong end = checked(NowNs + durationNs);
        _ = RunUntil(static () => false, durationNs);
        NowNs = end;
    }

    /// <summary>Starts software and runs until it returns.</summary>
    /// <param name="software">The method to run; it starts at once, up to its first await.</param>
    /// <param name="limitNs">How much virtual time it may take, in nanoseconds.</param>
    /// <exception cref="TimeoutException">It did not return in time, or waits for something that can no longer come.</exception>
    public T Run<T>(Func<Task<T>> software, ulong limitNs = ulong.MaxValue)
    {
        Task<T>? task = null;
        Schedule(0, () => task = software());
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

    /// <summary>An await that takes a stretch of virtual time.</summary>
    /// <param name="delayNs">Nanoseconds.</param>
    public ValueTask Delay(ulong delayNs)
    {
        TaskCompletionSource completion = new();
        Schedule(delayNs, completion.SetResult);
        return new(completion.Task);
    }

    /// <summary>Brings what awaits post back onto the loop.</summary>
    private sealed class LoopSynchronizationContext(EventLoop loop) : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state) => loop.Schedule(0, () => d(state));

        public override void Send(SendOrPostCallback d, object? state) => d(state);

        public override SynchronizationContext CreateCopy() => this;
    }
}
