using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>PORTPMSC of a USB 3 port (xHCI, USB 3 port power management status and control register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct Usb3PortPower(Bits32 Raw)
{
    /// <summary>Bits 7:0, idle microseconds before U1; 0 and 80h to FEh never by itself, FFh neither by the device.</summary>
    public byte U1Timeout
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, idle time before U2 in 256 microseconds; 0 never by itself, FFh neither by the device.</summary>
    public byte U2Timeout
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }

    /// <summary>Bit 16, FLA: the device must accept to enter U1 or U2.</summary>
    public bool ForceLinkAccept
    {
        get => Raw.Bit(16);
        init => Raw = Raw.With(16, value);
    }
}
