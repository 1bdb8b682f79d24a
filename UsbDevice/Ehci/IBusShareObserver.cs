namespace Dma.UsbDevice;

/// <summary>Sees how register sets share a bus.</summary>
public interface IBusShareObserver
{
    /// <summary>The wire was given to a transaction, or to several of one visit.</summary>
    void BusUsed(in BusUse use);
}
