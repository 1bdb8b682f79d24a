namespace Dma.Machine;

/// <summary>Something that hardware raises and software waits for, such as an interrupt vector.</summary>
/// <remarks>
/// Raising it never calls software: waiters continue in an event of their own. A raise that nobody waits for is
/// kept, so that none is lost between two waits; several kept raises are one, as in an interrupt request register.
/// </remarks>
/// <param name="loop">The loop on which waiters continue.</param>
public sealed class Signal(EventLoop loop)
{
    private readonly LinkedList<TaskCompletionSource<bool>> _waiters = [];

    /// <summary>Whether it was raised and nobody has taken it yet.</summary>
    public bool IsPending { get; private set; }

    /// <summary>How often it was raised.</summary>
    public ulong Raised { get; private set; }

    /// <summary>Wakes all that wait, or is kept for the next one.</summary>
    public void Raise()
    {
        Raised++;
        if (_waiters.Count == 0)
        {
            IsPending = true;
            return;
        }

        foreach (TaskCompletionSource<bool> waiter in _waiters)
            loop.Schedule(0, () => waiter.TrySetResult(true));
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

        TaskCompletionSource<bool> completion = new();
        LinkedListNode<TaskCompletionSource<bool>> node = _waiters.AddLast(completion);
        if (timeoutNs != ulong.MaxValue)
        {
            loop.Schedule(timeoutNs, () =>
            {
                if (node.List is not null)
                    _waiters.Remove(node);
                _ = completion.TrySetResult(false);
            });
        }

        return new(completion.Task);
    }
}
