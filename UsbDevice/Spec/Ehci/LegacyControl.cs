using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>USBLEGCTLSTS: what interrupts the firmware, and what did; in configuration space (EHCI, legacy support control and status).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct LegacyControl(Bits32 Raw)
{
    /// <summary>Bits 5:0, which of the causes in bits 21:16 interrupt, bit by bit.</summary>
    public int StatusEnables
    {
        get => (int)Raw.Bits(5, 0);
        init => Raw = Raw.With(5, 0, (uint)value);
    }

    /// <summary>Bit 13, bit 29 interrupts.</summary>
    public bool OwnershipEnable
    {
        get => Raw.Bit(13);
        init => Raw = Raw.With(13, value);
    }

    /// <summary>Bit 14, bit 30 interrupts.</summary>
    public bool CommandEnable
    {
        get => Raw.Bit(14);
        init => Raw = Raw.With(14, value);
    }

    /// <summary>Bit 15, bit 31 interrupts.</summary>
    public bool BarEnable
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }

    /// <summary>Bits 21:16, bits 5:0 of USBSTS; read only.</summary>
    public int Causes
    {
        get => (int)Raw.Bits(21, 16);
        init => Raw = Raw.With(21, 16, (uint)value);
    }

    /// <summary>Bit 29, the system asked for the controller, or gave it back; written ones clear it.</summary>
    public bool OwnershipChanged
    {
        get => Raw.Bit(29);
        init => Raw = Raw.With(29, value);
    }

    /// <summary>Bit 30, the command register of PCI was written; written ones clear it.</summary>
    public bool CommandWritten
    {
        get => Raw.Bit(30);
        init => Raw = Raw.With(30, value);
    }

    /// <summary>Bit 31, BAR 0 was written; written ones clear it.</summary>
    public bool BarWritten
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }
}
