using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>USBLEGCTLSTS: what interrupts the firmware (xHCI, USB legacy support control and status).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciLegacyControl(Bits32 Raw)
{
    /// <summary>Bit 0, an event interrupts the firmware.</summary>
    public bool EventEnable
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 4, a host system error does.</summary>
    public bool SystemErrorEnable
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 13, a change of ownership does.</summary>
    public bool OwnershipEnable
    {
        get => Raw.Bit(13);
        init => Raw = Raw.With(13, value);
    }

    /// <summary>Bit 14, a write to the PCI command register does.</summary>
    public bool CommandEnable
    {
        get => Raw.Bit(14);
        init => Raw = Raw.With(14, value);
    }

    /// <summary>Bit 15, a write to a BAR does.</summary>
    public bool BarEnable
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }

    /// <summary>Bit 16, an event is pending; read only.</summary>
    public bool Event
    {
        get => Raw.Bit(16);
        init => Raw = Raw.With(16, value);
    }

    /// <summary>Bit 20, a host system error is pending; read only.</summary>
    public bool SystemError
    {
        get => Raw.Bit(20);
        init => Raw = Raw.With(20, value);
    }

    /// <summary>Bit 29, the owner changed; written ones clear it.</summary>
    public bool Ownership
    {
        get => Raw.Bit(29);
        init => Raw = Raw.With(29, value);
    }

    /// <summary>Bit 30, the PCI command register was written; written ones clear it.</summary>
    public bool Command
    {
        get => Raw.Bit(30);
        init => Raw = Raw.With(30, value);
    }

    /// <summary>Bit 31, a BAR was written; written ones clear it.</summary>
    public bool Bar
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }
}
