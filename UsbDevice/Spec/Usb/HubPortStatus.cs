using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The answer to GET_STATUS of a port of a hub (USB 2.0, port status and port change).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct HubPortStatus(Bits32 Raw)
{
    /// <summary>Bytes on the bus.</summary>
    public const int Size = 4;

    /// <summary>Bit 0, a device is there.</summary>
    public bool Connected
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, packets pass.</summary>
    public bool Enabled
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, the port is suspended, or resuming.</summary>
    public bool Suspended
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, too much current flows.</summary>
    public bool OverCurrent
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, reset is signalled.</summary>
    public bool Resetting
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 8, the port is not switched off.</summary>
    public bool Powered
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bit 9, the device is of low speed.</summary>
    public bool LowSpeed
    {
        get => Raw.Bit(9);
        init => Raw = Raw.With(9, value);
    }

    /// <summary>Bit 10, the device talks at high speed.</summary>
    public bool HighSpeed
    {
        get => Raw.Bit(10);
        init => Raw = Raw.With(10, value);
    }

    /// <summary>Bit 11, the port is in a test mode.</summary>
    public bool Testing
    {
        get => Raw.Bit(11);
        init => Raw = Raw.With(11, value);
    }

    /// <summary>Bit 12, software controls the light.</summary>
    public bool IndicatorControl
    {
        get => Raw.Bit(12);
        init => Raw = Raw.With(12, value);
    }

    /// <summary>Bit 16, C_PORT_CONNECTION: bit 0 changed.</summary>
    public bool ConnectionChange
    {
        get => Raw.Bit(16);
        init => Raw = Raw.With(16, value);
    }

    /// <summary>Bit 17, C_PORT_ENABLE: an error disabled the port.</summary>
    public bool EnableChange
    {
        get => Raw.Bit(17);
        init => Raw = Raw.With(17, value);
    }

    /// <summary>Bit 18, C_PORT_SUSPEND: a resume ended.</summary>
    public bool SuspendChange
    {
        get => Raw.Bit(18);
        init => Raw = Raw.With(18, value);
    }

    /// <summary>Bit 19, C_PORT_OVER_CURRENT: bit 3 changed.</summary>
    public bool OverCurrentChange
    {
        get => Raw.Bit(19);
        init => Raw = Raw.With(19, value);
    }

    /// <summary>Bit 20, C_PORT_RESET: a reset ended.</summary>
    public bool ResetChange
    {
        get => Raw.Bit(20);
        init => Raw = Raw.With(20, value);
    }
}
