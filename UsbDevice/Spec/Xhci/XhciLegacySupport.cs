using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>USBLEGSUP: who owns the controller, firmware or system (xHCI, USB legacy support capability).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciLegacySupport(Bits32 Raw)
{
    /// <summary>Bits 7:0, 1.</summary>
    public XhciExtendedId Id
    {
        get => (XhciExtendedId)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (uint)value);
    }

    /// <summary>Bits 15:8, doublewords from here to the next capability; 0 ends the list.</summary>
    public int Next
    {
        get => (int)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (uint)value);
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
