namespace Dma.Machine;

/// <summary>Something that happens on an <see cref="EventLoop"/> when its time comes, unless it is called off.</summary>
/// <remarks>
/// A device keeps one and plans it again and again by <see cref="EventLoop.Schedule(ulong, ScheduledEvent)"/>, so that
/// what it does each microsecond costs no memory.
/// </remarks>
/// <param name="action">What happens.</param>
public sealed class ScheduledEvent(Action action)
{
    /// <summary>Whether it is planned, and neither happened nor was called off since.</summary>
    public bool IsPending => Ticket != 0;

    /// <summary>The place in the queue that counts, 0 for none; older places are passed over.</summary>
    internal ulong Ticket { get; set; }

    /// <summary>Calls it off; nothing happens where it is too late. Time does not move on its account any more.</summary>
    public void Cancel() => Ticket = 0;

    /// <summary>Lets it happen, once.</summary>
    internal void Happen()
    {
        Ticket = 0;
        action();
    }
}
