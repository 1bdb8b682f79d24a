namespace Dma.UsbDevice.Spec;

/// <summary>The operational registers, as byte offsets from BAR 0 plus CAPLENGTH (EHCI, host controller operational registers).</summary>
public static class EhciOperationalOffsets
{
    /// <summary>USBCMD, see <see cref="Spec.UsbCommand"/>.</summary>
    public const int UsbCommand = 0x00;

    /// <summary>USBSTS, see <see cref="Spec.UsbStatus"/>.</summary>
    public const int UsbStatus = 0x04;

    /// <summary>USBINTR, see <see cref="UsbInterrupts"/>.</summary>
    public const int InterruptEnable = 0x08;

    /// <summary>FRINDEX, see <see cref="Spec.FrameIndex"/>.</summary>
    public const int FrameIndex = 0x0C;

    /// <summary>CTRLDSSEGMENT: bits 63:32 of the addresses of all control structures.</summary>
    public const int Segment = 0x10;

    /// <summary>PERIODICLISTBASE: bits 31:12 of the address of the frame list.</summary>
    public const int PeriodicListBase = 0x14;

    /// <summary>ASYNCLISTADDR: bits 31:5 of the address of the queue head that is visited next.</summary>
    public const int AsyncListAddress = 0x18;

    /// <summary>CONFIGFLAG, see <see cref="Spec.ConfigureFlag"/>.</summary>
    public const int ConfigureFlag = 0x40;

    /// <summary>PORTSC of port 1, see <see cref="PortStatusControl"/>; each further port lies 4 bytes higher.</summary>
    public const int FirstPort = 0x44;
}
