namespace Dma.Machine;

/// <summary>A guest on a processor, for which the processor itself takes some interrupts without leaving it.</summary>
public interface IInterruptIntercept
{
    /// <summary>The processor acknowledged a vector.</summary>
    /// <returns>Whether it is the guest's business; the processor ends it then.</returns>
    bool TryTake(byte vector);
}
