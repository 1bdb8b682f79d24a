namespace Dma.UsbDevice;

/// <summary>How the controller interrupts: a level, and a message for each new cause.</summary>
public interface IEhciInterrupt
{
    /// <summary>Whether the interrupt is wanted now.</summary>
    void SetLevel(bool isAsserted);

    /// <summary>Which bits 5:0 of USBSTS are set now: firmware sees them through the legacy capability.</summary>
    void SetCauses(uint statusBits);

    /// <summary>A new cause came.</summary>
    void Send();
}
