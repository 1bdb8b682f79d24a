using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>CONFIG (xHCI, configure register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciConfigure(Bits32 Raw)
{
    /// <summary>Bits 7:0, MaxSlotsEn: device slots that software uses; the others do not exist.</summary>
    public int SlotsEnabled
    {
        get => (int)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, (uint)value);
    }

    /// <summary>Bit 8, U3E: PLC rises also when a port has entered U3.</summary>
    public bool U3EntryEnable
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bit 9, CIE: input control contexts name the configuration.</summary>
    public bool ConfigurationInformation
    {
        get => Raw.Bit(9);
        init => Raw = Raw.With(9, value);
    }
}
