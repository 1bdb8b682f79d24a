namespace Dma.UsbDevice;

/// <summary>The bits of USBSTS that interrupt, as masks (EHCI, USB status register).</summary>
public static class StatusBits
{
    /// <summary>USBINT.</summary>
    public const uint Transfer = 1 << 0;

    /// <summary>USBERRINT.</summary>
    public const uint Error = 1 << 1;

    /// <summary>PCD.</summary>
    public const uint PortChange = 1 << 2;

    /// <summary>FLR.</summary>
    public const uint FrameListRollover = 1 << 3;

    /// <summary>HSE.</summary>
    public const uint HostSystemError = 1 << 4;

    /// <summary>IAA.</summary>
    public const uint AsyncAdvance = 1 << 5;
}
