namespace Dma.Machine;

/// <summary>The processors' end of interrupt messages: it finds whose local APIC each one is for.</summary>
/// <remarks>
/// <code>
///   message ---> destination:  physical id, logical (flat or clusters), everybody
///                    |
///                    v
///          local APIC: IRR, masked by TPR and ISR ---> gate of the vector ---> signal ---> software that waits
/// </code>
/// It takes fixed, lowest-priority and non-maskable delivery to xAPIC destinations (Intel SDM volume 3, 11.11). What is of
/// another kind, has a vector below 16, or is for a vector or processor that nobody is connected to is lost, as in a
/// machine whose vector nobody set up, and counted.
/// </remarks>
/// <param name="loop">The loop on which software continues.</param>
public sealed class InterruptRouter(EventLoop loop) : IInterruptSink
{
    private const byte Broadcast = 0xFF;
    private const int Fixed = 0;
    private const int LowestPriority = 1;
    private const int NonMaskable = 4;

    private readonly InterruptGates?[] _processors = new InterruptGates?[Broadcast];
    private readonly List<IoApic> _ioApics = [];

    // One past the highest id that there is.
    private int _end;

    /// <summary>How many messages were delivered to a processor.</summary>
    public ulong Delivered { get; private set; }

    /// <summary>How many messages nobody was connected for.</summary>
    public ulong Unclaimed { get; private set; }

    /// <summary>A processor; the same one each time, and from now on it is there.</summary>
    /// <param name="apicId">Its id; FFh is everyone's and no one's.</param>
    public InterruptGates ProcessorOf(byte apicId)
    {
        ArgumentOutOfRangeException.ThrowIfEqual(apicId, Broadcast);
        _end = Math.Max(_end, apicId + 1);
        return _processors[apicId] ??= new(apicId, loop, this);
    }

    /// <summary>The signal that a vector of a processor raises; the same one each time.</summary>
    /// <param name="apicId">The processor's id; FFh is everyone's and no one's.</param>
    /// <param name="vector">16 to 255.</param>
    public Signal Connect(byte apicId, byte vector)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vector, LocalApic.FirstVector);
        return ProcessorOf(apicId).Connect(vector);
    }

    /// <summary>Lets an I/O APIC hear of the ends of level-triggered interrupts.</summary>
    public void Connect(IoApic controller) => _ioApics.Add(controller);

    /// <inheritdoc/>
    public void Deliver(MessageInterrupt message)
    {
        if (TryDeliver(message))
            Delivered++;
        else
            Unclaimed++;
    }

    /// <summary>Sends what a processor sends.</summary>
    internal void Send(InterruptGates sender, InterruptCommand command)
    {
        MessageInterrupt message = command.ToMessage();
        switch (command.Shorthand)
        {
            case DestinationShorthand.None:
                Deliver(message);
                break;
            case DestinationShorthand.Self:
                _ = TryGive(sender, message);
                break;
            default:
                for (int id = 0; id < _end; id++)
                {
                    if (_processors[id] is { } processor && (command.Shorthand == DestinationShorthand.All || processor != sender))
                        _ = TryGive(processor, message);
                }

                break;
        }
    }

    internal void EndLevel(byte vector)
    {
        foreach (IoApic controller in _ioApics)
            controller.EndOfInterrupt(vector);
    }

    private static bool TryGive(InterruptGates processor, MessageInterrupt message)
    {
        if (message.DeliveryMode == NonMaskable)
            return processor.NonMaskable();
        return message.DeliveryMode <= LowestPriority && processor.Apic.Accept(message.Vector, message.IsLevel);
    }

    private bool TryDeliver(MessageInterrupt message)
    {
        // An id beyond FFh is one of x2APIC mode, in which no processor is.
        if (message.Address >> 32 != 0 || message.DeliveryMode is not (Fixed or LowestPriority or NonMaskable))
            return false;
        if (!message.IsLogical && message.Destination != Broadcast)
            return _processors[message.Destination] is { } processor && TryGive(processor, message);
        if (message.DeliveryMode == LowestPriority || (message.IsRedirectable && message.IsLogical))
            return TryArbitrate(message);
        bool isDelivered = false;
        for (int id = 0; id < _end; id++)
        {
            if (_processors[id] is { } named && IsNamed(named, message))
                isDelivered |= TryGive(named, message);
        }

        return isDelivered;
    }

    // Of those that are named, one that works on the least important; of several, the one with the lowest id.
    private bool TryArbitrate(MessageInterrupt message)
    {
        int chosen = Broadcast;
        int least = int.MaxValue;
        for (int id = 0; id < _end; id++)
        {
            if (_processors[id] is not { } named || !IsNamed(named, message) || named.Apic.ProcessorPriority >= least)
                continue;
            chosen = id;
            least = named.Apic.ProcessorPriority;
        }

        return chosen != Broadcast && TryGive(_processors[chosen]!, message);
    }

    private static bool IsNamed(InterruptGates processor, MessageInterrupt message) =>
        message.Destination == Broadcast || processor.Apic.IsNamed(message.Destination);
}
