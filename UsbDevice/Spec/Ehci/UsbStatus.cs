using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>USBSTS: what happened (EHCI, USB status register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct UsbStatus(Bits32 Raw)
{
    /// <summary>Bit 0, USBINT: a descriptor with interrupt-on-complete was retired, or a short packet came; written ones clear it.</summary>
    public bool TransferInterrupt
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, USBERRINT: a transaction ended in an error; written ones clear it.</summary>
    public bool ErrorInterrupt
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, PCD: something changed at a port; written ones clear it.</summary>
    public bool PortChange
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, FLR: the frame index passed the end of the frame list; written ones clear it.</summary>
    public bool FrameListRollover
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, HSE: a bus-master access failed and the controller stopped; written ones clear it.</summary>
    public bool HostSystemError
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 5, IAA: the doorbell was answered; written ones clear it.</summary>
    public bool AsyncAdvance
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }

    /// <summary>Bit 12, HCHalted: the controller stands still; read only.</summary>
    public bool Halted
    {
        get => Raw.Bit(12);
        init => Raw = Raw.With(12, value);
    }

    /// <summary>Bit 13, whether a transaction of the asynchronous schedule ran since the list head was passed; read only.</summary>
    public bool Reclamation
    {
        get => Raw.Bit(13);
        init => Raw = Raw.With(13, value);
    }

    /// <summary>Bit 14, PSS: the periodic schedule is on; read only.</summary>
    public bool PeriodicActive
    {
        get => Raw.Bit(14);
        init => Raw = Raw.With(14, value);
    }

    /// <summary>Bit 15, ASS: the asynchronous schedule is on; read only.</summary>
    public bool AsyncActive
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }
}
