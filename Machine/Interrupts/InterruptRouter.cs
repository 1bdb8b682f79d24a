namespace Dma.Machine;

/// <summary>The processors' end of interrupt messages: each processor and vector is a signal.</summary>
/// <remarks>
/// It takes fixed delivery to a physical destination (Intel SDM volume 3, 11.11). A message of another kind, with a vector
/// below 16, or for which nobody is connected is lost, as in a machine whose vector nobody set up, and counted.
/// </remarks>
/// <param name="loop">The loop on which software continues.</param>
public sealed class InterruptRouter(EventLoop loop) : IInterruptSink
{
    private const int FirstVector = 16;
    private const byte Broadcast = 0xFF;

    private readonly Dictionary<(byte ApicId, byte Vector), Signal> _signals = [];
    private readonly SortedSet<byte> _processors = [];

    /// <summary>How many messages were delivered to a processor.</summary>
    public ulong Delivered { get; private set; }

    /// <summary>How many messages nobody was connected for.</summary>
    public ulong Unclaimed { get; private set; }

    /// <summary>The signal that a vector of a processor raises; the same one each time.</summary>
    /// <param name="apicId">The processor's id; FFh is everyone's and no one's.</param>
    /// <param name="vector">16 to 255.</param>
    public Signal Connect(byte apicId, byte vector)
    {
        ArgumentOutOfRangeException.ThrowIfEqual(apicId, Broadcast);
        ArgumentOutOfRangeException.ThrowIfLessThan(vector, FirstVector);
        if (!_signals.TryGetValue((apicId, vector), out Signal? signal))
            _signals.Add((apicId, vector), signal = new(loop));
        _ = _processors.Add(apicId);
        return signal;
    }

    /// <inheritdoc/>
    public void Deliver(MessageInterrupt message)
    {
        bool delivered = false;
        if (message.IsFixedPhysical && message.Destination != Broadcast)
        {
            delivered = Raise(message.Destination, message.Vector);
        }
        else if (message.IsFixedPhysical)
        {
            foreach (byte processor in _processors)
                delivered |= Raise(processor, message.Vector);
        }

        if (delivered)
            Delivered++;
        else
            Unclaimed++;
    }

    private bool Raise(byte apicId, byte vector)
    {
        if (!_signals.TryGetValue((apicId, vector), out Signal? signal))
            return false;
        signal.Raise();
        return true;
    }
}
