namespace Dma.Lab;

/// <summary>As long as it lasts, software of a VM acts.</summary>
internal readonly ref struct ActingGuest
{
    private readonly AccessMonitor _monitor;
    private readonly WorldGuest? _before;

    /// <summary>Begins.</summary>
    /// <param name="monitor">Who is told.</param>
    /// <param name="guest">The VM.</param>
    public ActingGuest(AccessMonitor monitor, WorldGuest guest)
    {
        (_monitor, _before) = (monitor, monitor.Actor);
        monitor.Actor = guest;
    }

    /// <summary>Ends.</summary>
    public void Dispose() => _monitor.Actor = _before;
}
