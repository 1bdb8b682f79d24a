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
    private readonly List<LoopWait> _waiters = [];

    /// <summary>Whether it was raised and nobody has taken it yet.</summary>
    public bool IsPending { get; private set; }

    /// <summary>How often it was raised.</summary>
    public ulong Raised { get; private set; }

    /// <summary>Wakes all that wait, or is kept for the next one.</summary>
    public void Raise()
    {
        Raised++;
        IsPending = _waiters.Count == 0;
        foreach (LoopWait waiter in _waiters)
            waiter.Raise();
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
        LoopWait waiter = loop.TakeWait();
        if (timeoutNs != ulong.MaxValue)
            loop.Schedule(timeoutNs, waiter.Ending);
        return waiter.Begin(_waiters);
    }
}
