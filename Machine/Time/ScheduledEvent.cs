namespace Dma.Machine;

/// <summary>Something that will happen on an <see cref="EventLoop"/>, unless it is called off.</summary>
public sealed class ScheduledEvent
{
    private Action? _action;

    internal ScheduledEvent(Action action) => _action = action;

    /// <summary>Whether it neither happened nor was called off.</summary>
    public bool IsPending => _action is not null;

    /// <summary>Calls it off; nothing happens where it is too late. Time does not move on its account any more.</summary>
    public void Cancel() => _action = null;

    /// <summary>Takes what shall happen now, so that it happens once.</summary>
    internal Action? Take()
    {
        Action? action = _action;
        _action = null;
        return action;
    }
}
