namespace Dma.UsbDevice;

/// <summary>What a controller learns of a posted write that the bus refused.</summary>
public enum PostedWriteFault
{
    /// <summary>Nothing: the write is gone, and the controller goes on. So it is on PCI Express.</summary>
    Silent,

    /// <summary>It stops with a host system error, as for a refused read.</summary>
    HostSystemError,
}
