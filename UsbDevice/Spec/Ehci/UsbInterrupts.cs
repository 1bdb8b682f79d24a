using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>USBINTR: which bits of USBSTS interrupt (EHCI, USB interrupt enable register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct UsbInterrupts(Bits32 Raw)
{
    /// <summary>Bit 0, USBINT interrupts.</summary>
    public bool Transfer
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, USBERRINT interrupts.</summary>
    public bool Error
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, PCD interrupts.</summary>
    public bool PortChange
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, FLR interrupts.</summary>
    public bool FrameListRollover
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, HSE interrupts.</summary>
    public bool HostSystemError
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 5, IAA interrupts.</summary>
    public bool AsyncAdvance
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }
}
