namespace Dma.UsbDevice.Spec;

/// <summary>The operational registers, as byte offsets from BAR 0 plus CAPLENGTH (xHCI, host controller operational registers).</summary>
public static class XhciOperationalOffsets
{
    /// <summary>USBCMD, see <see cref="XhciCommand"/>.</summary>
    public const int Command = 0x00;

    /// <summary>USBSTS, see <see cref="XhciStatus"/>.</summary>
    public const int Status = 0x04;

    /// <summary>PAGESIZE: bit n stands for pages of 2^(n + 12) bytes.</summary>
    public const int PageSize = 0x08;

    /// <summary>DNCTRL, bits 15:0: which device notifications become events.</summary>
    public const int NotificationControl = 0x14;

    /// <summary>CRCR, 8 bytes, see <see cref="CommandRingControl"/>.</summary>
    public const int CommandRing = 0x18;

    /// <summary>DCBAAP, 8 bytes, see <see cref="ContextPointer"/>.</summary>
    public const int ContextArray = 0x30;

    /// <summary>CONFIG, see <see cref="XhciConfigure"/>.</summary>
    public const int Configure = 0x38;

    /// <summary>The registers of port 1; those of each further port lie <see cref="PortStride"/> bytes higher.</summary>
    public const int FirstPort = 0x400;

    /// <summary>Bytes from one port to the next.</summary>
    public const int PortStride = 0x10;

    /// <summary>PORTSC of a port, see <see cref="XhciPortStatusControl"/>.</summary>
    public const int PortStatus = 0x0;

    /// <summary>PORTPMSC of a port, see <see cref="Usb2PortPower"/> and <see cref="Usb3PortPower"/>.</summary>
    public const int PortPower = 0x4;

    /// <summary>PORTLI of a port, see <see cref="Usb3PortLink"/>.</summary>
    public const int PortLink = 0x8;

    /// <summary>PORTHLPMC of a port, see <see cref="Usb2PortHardwareLpm"/>.</summary>
    public const int PortHardwareLpm = 0xC;
}
