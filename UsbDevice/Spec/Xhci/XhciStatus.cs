using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>USBSTS (xHCI, USB status register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciStatus(Bits32 Raw)
{
    /// <summary>Bit 0, HCH: it does not run; read only.</summary>
    public bool Halted
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 2, HSE: the bus failed the controller; written ones clear it.</summary>
    public bool HostSystemError
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, EINT: an interrupter has an interrupt pending; written ones clear it.</summary>
    public bool EventInterrupt
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, PCD: a change bit of a port rose; written ones clear it.</summary>
    public bool PortChange
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 8, SSS: Save State is under way; read only.</summary>
    public bool Saving
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bit 9, RSS: Restore State is under way; read only.</summary>
    public bool Restoring
    {
        get => Raw.Bit(9);
        init => Raw = Raw.With(9, value);
    }

    /// <summary>Bit 10, SRE: Save or Restore State failed; written ones clear it.</summary>
    public bool SaveRestoreError
    {
        get => Raw.Bit(10);
        init => Raw = Raw.With(10, value);
    }

    /// <summary>Bit 11, CNR: doorbells and operational registers may not be written; read only.</summary>
    public bool NotReady
    {
        get => Raw.Bit(11);
        init => Raw = Raw.With(11, value);
    }

    /// <summary>Bit 12, HCE: an internal error; only a reset clears it.</summary>
    public bool ControllerError
    {
        get => Raw.Bit(12);
        init => Raw = Raw.With(12, value);
    }
}
