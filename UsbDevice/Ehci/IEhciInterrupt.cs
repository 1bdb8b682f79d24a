namespace Dma.UsbDevice;

/// <summary>How the controller interrupts: a level, and a message for each new cause.</summary>
internal interface IEhciInterrupt
{
    /// <summary>Whether the interrupt is wanted now.</summary>
    void SetLevel(bool isAsserted);

    /// <summary>A new cause came.</summary>
    void Send();
}
