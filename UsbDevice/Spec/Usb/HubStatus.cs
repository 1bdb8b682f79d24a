using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The answer to GET_STATUS of a hub as a whole (USB 2.0, hub status and hub change).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct HubStatus(Bits32 Raw)
{
    /// <summary>Bytes on the bus.</summary>
    public const int Size = 4;

    /// <summary>Bit 0, the supply of the hub itself is gone.</summary>
    public bool LocalPowerLost
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, too much current flows through the ports together.</summary>
    public bool OverCurrent
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 16, C_HUB_LOCAL_POWER: bit 0 changed.</summary>
    public bool LocalPowerChange
    {
        get => Raw.Bit(16);
        init => Raw = Raw.With(16, value);
    }

    /// <summary>Bit 17, C_HUB_OVER_CURRENT: bit 1 changed.</summary>
    public bool OverCurrentChange
    {
        get => Raw.Bit(17);
        init => Raw = Raw.With(17, value);
    }
}
