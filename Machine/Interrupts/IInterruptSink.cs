namespace Dma.Machine;

/// <summary>Where interrupt messages end up.</summary>
public interface IInterruptSink
{
    /// <summary>Takes one message. It never calls software: it wakes what waits.</summary>
    void Deliver(MessageInterrupt message);
}
