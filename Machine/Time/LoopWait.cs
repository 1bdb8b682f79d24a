using System.Threading.Tasks.Sources;

namespace Dma.Machine;

/// <summary>A wait of software on an <see cref="EventLoop"/>, for a moment or for a signal; it is used again and again, so that waiting costs no memory.</summary>
/// <remarks>
/// Who waits goes on inside the event that ends the wait, as one who awaits a task on the loop does. An await is over with
/// its result: whoever asks once more is told so, since the wait may be another one's by then.
/// </remarks>
internal sealed class LoopWait : IValueTaskSource, IValueTaskSource<bool>
{
    private static readonly Action<object?> s_ended = static _ => throw new InvalidOperationException("A wait ends once.");

    private readonly EventLoop _loop;
    private Action<object?>? _continuation;
    private object? _state;
    private List<LoopWait>? _waiters;
    private bool _isRaised;
    private short _number;

    /// <summary>A wait that nobody began.</summary>
    public LoopWait(EventLoop loop)
    {
        _loop = loop;
        Ending = new(End);
    }

    /// <summary>What ends it.</summary>
    public ScheduledEvent Ending { get; }

    /// <summary>Begins to wait for a moment.</summary>
    public ValueTask Begin() => new(this, _number);

    /// <summary>Begins to wait for a signal.</summary>
    /// <param name="waiters">All that wait for it: this one is among them until it ends.</param>
    public ValueTask<bool> Begin(List<LoopWait> waiters)
    {
        waiters.Add(this);
        (_waiters, _isRaised) = (waiters, false);
        return new(this, _number);
    }

    /// <summary>Ends it by the signal, in an event of its own; who raises it forgets all that waited.</summary>
    public void Raise()
    {
        (_waiters, _isRaised) = (null, true);
        _loop.Schedule(0, Ending);
    }

    /// <inheritdoc/>
    public ValueTaskSourceStatus GetStatus(short token)
    {
        Check(token);
        return ReferenceEquals(_continuation, s_ended) ? ValueTaskSourceStatus.Succeeded : ValueTaskSourceStatus.Pending;
    }

    /// <inheritdoc/>
    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        Check(token);
        if (_continuation is not null)
            throw new InvalidOperationException("A wait is awaited once, and before it ends.");
        (_continuation, _state) = (continuation, state);
    }

    /// <inheritdoc/>
    void IValueTaskSource.GetResult(short token) => _ = GetResult(token);

    /// <summary>Ends the await.</summary>
    /// <returns>Whether the signal came; <c>false</c> when time ran out.</returns>
    public bool GetResult(short token)
    {
        if (GetStatus(token) != ValueTaskSourceStatus.Succeeded)
            throw new InvalidOperationException("The wait has not ended: only an await can wait for it.");
        (_continuation, _state) = (null, null);
        _number++;
        bool isRaised = _isRaised;
        _loop.Return(this);
        return isRaised;
    }

    private void End()
    {
        _ = _waiters?.Remove(this);
        _waiters = null;
        (Action<object?>? continuation, object? state) = (_continuation, _state);
        (_continuation, _state) = (s_ended, null);
        continuation?.Invoke(state);
    }

    private void Check(short token)
    {
        if (token != _number)
            throw new InvalidOperationException("The wait is over: an await has its result already.");
    }
}
