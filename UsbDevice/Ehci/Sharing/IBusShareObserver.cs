namespace Dma.UsbDevice;

/// <summary>Sees how register sets share a bus. It changes nothing.</summary>
public interface IBusShareObserver
{
    /// <summary>The wire was given to a transaction, or to several of one visit.</summary>
    void BusUsed(in BusUse use)
    {
    }

    /// <summary>A token of a set was sent, or was not since no device of the set has its address.</summary>
    void TokenHandled(in TokenUse use)
    {
    }

    /// <summary>An address on the bus got another state.</summary>
    void AddressChanged(in AddressChange change)
    {
    }

    /// <summary>Another set has address 0.</summary>
    /// <param name="owner">Which, from 0 on; -1 for none.</param>
    /// <param name="nowNs">The time.</param>
    void AddressZeroMoved(int owner, ulong nowNs)
    {
    }
}
