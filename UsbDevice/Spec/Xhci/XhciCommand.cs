using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>USBCMD (xHCI, USB command register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciCommand(Bits32 Raw)
{
    /// <summary>Bit 0, R/S: the controller runs.</summary>
    public bool Run
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, HCRST: reset everything; falls by itself.</summary>
    public bool Reset
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, INTE: interrupters may interrupt.</summary>
    public bool InterruptEnable
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, HSEE: a host system error is signalled.</summary>
    public bool SystemErrorEnable
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 7, LHCRST: reset everything but the ports; falls by itself.</summary>
    public bool LightReset
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bit 8, CSS: save the state; reads as zero.</summary>
    public bool SaveState
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bit 9, CRS: restore the state; reads as zero.</summary>
    public bool RestoreState
    {
        get => Raw.Bit(9);
        init => Raw = Raw.With(9, value);
    }

    /// <summary>Bit 10, EWE: an event each time the microframe index wraps.</summary>
    public bool WrapEventEnable
    {
        get => Raw.Bit(10);
        init => Raw = Raw.With(10, value);
    }

    /// <summary>Bit 11, EU3S: the index stops while no port is in U0.</summary>
    public bool StopInU3
    {
        get => Raw.Bit(11);
        init => Raw = Raw.With(11, value);
    }
}
