using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>USBLEGSUP: who owns the controller, firmware or system; in configuration space (EHCI, legacy support extended capability).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct LegacySupport(Bits32 Raw)
{
    /// <summary>Bits 7:0, 01h.</summary>
    public byte CapabilityId
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, the offset of the next extended capability; 0 ends the list.</summary>
    public byte Next
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }

    /// <summary>Bit 16, the firmware owns the controller.</summary>
    public bool FirmwareOwned
    {
        get => Raw.Bit(16);
        init => Raw = Raw.With(16, value);
    }

    /// <summary>Bit 24, the operating system owns the controller, or asks for it.</summary>
    public bool SystemOwned
    {
        get => Raw.Bit(24);
        init => Raw = Raw.With(24, value);
    }
}
