namespace Dma.Machine;

/// <summary>Something that hardware raises and software waits for, such as an interrupt vector.</summary>
/// <remarks>
/// Raising it never calls software: waiters continue in an event of their own. A raise that nobody waits for is
/// kept, so that none is lost between two waits; several kept raises are one, as in an interrupt request register.
/// A raise and the end of a wait at the same instant go by the order in which they came: either the waiter has the
/// raise, or it is kept.
/// </remarks>
/// <param name="loop">The loop on which waiters continue.</param>
public sealed class Signal(EventLoop loop)
{
    private readonly List<Waiter> _waiters = [];

    /// <summary>Whether it was raised and nobody has taken it yet.</summary>
    public bool IsPending { get; private set; }

    /// <summary>How often it was raised.</summary>
    public ulong Raised { get; private set; }

    /// <summary>Wakes all that wait, or is kept for the next one.</summary>
    public void Raise()
    {
        Raised++;
        IsPending = _waiters.Count == 0;
        foreach (Waiter waiter in _waiters)
        {
            waiter.Timeout?.Cancel();
            _ = loop.Schedule(0, () => waiter.Completion.SetResult(true));
        }

        _waiters.Clear();
    }

    /// <summary>Forgets a raise that nobody has taken.</summary>
    public void Clear() => IsPending = false;

    /// <summary>Waits until it is raised.</summary>
    /// <param name="timeoutNs">How long at most, in nanoseconds of virtual time.</param>
    /// <returns><c>true</c> when raised, <c>false</c> when time ran out.</returns>
    public ValueTask<bool> Wait(ulong timeoutNs = ulong.MaxValue)
    {
        if (IsPending)
        {
            IsPending = false;
            return new(true);
        }

        loop.CheckIsSoftware();
        Waiter waiter = new();
        _waiters.Add(waiter);
        if (timeoutNs != ulong.MaxValue)
            waiter.Timeout = loop.Schedule(timeoutNs, () => GiveUp(waiter));
        return new(waiter.Completion.Task);
    }

    private void GiveUp(Waiter waiter)
    {
        _ = _waiters.Remove(waiter);
        waiter.Completion.SetResult(false);
    }

    private sealed class Waiter
    {
        public TaskCompletionSource<bool> Completion { get; } = new();

        public ScheduledEvent? Timeout { get; set; }
    }
}
