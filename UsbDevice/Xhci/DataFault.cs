namespace Dma.UsbDevice;

/// <summary>What follows when the bus refuses to read or write the data of a transfer.</summary>
public enum DataFault
{
    /// <summary>The transfer ends with a data buffer error, and its endpoint halts.</summary>
    DataBufferError,

    /// <summary>The controller stops with a host system error, as for rings and contexts.</summary>
    HostSystemError,
}
