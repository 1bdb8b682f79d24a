namespace Dma.Hal;

/// <summary>One interrupt of a device.</summary>
public interface IInterruptLine
{
    /// <summary>Waits for the interrupt; one that came since the last wait counts.</summary>
    /// <param name="timeoutNs">How long at most, in nanoseconds of virtual time.</param>
    /// <returns><c>true</c> when it came, <c>false</c> when time ran out.</returns>
    ValueTask<bool> Wait(ulong timeoutNs);
}
