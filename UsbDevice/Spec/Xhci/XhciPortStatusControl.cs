using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>PORTSC: one root port (xHCI, port status and control register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct XhciPortStatusControl(Bits32 Raw)
{
    /// <summary>Bit 0, CCS: a device is there; read only.</summary>
    public bool Connected
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, PED: packets pass; a written one disables the port.</summary>
    public bool Enabled
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 3, OCA: too much current flows; read only.</summary>
    public bool OverCurrent
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, PR: reset is signalled; a written one begins it.</summary>
    public bool Reset
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bits 8:5, PLS: written only together with the strobe.</summary>
    public PortLinkState LinkState
    {
        get => (PortLinkState)Raw.Bits(8, 5);
        init => Raw = Raw.With(8, 5, (uint)value);
    }

    /// <summary>Bit 9, PP: the port has power.</summary>
    public bool Power
    {
        get => Raw.Bit(9);
        init => Raw = Raw.With(9, value);
    }

    /// <summary>Bits 13:10, the speed of what is connected; read only.</summary>
    public PortSpeed Speed
    {
        get => (PortSpeed)Raw.Bits(13, 10);
        init => Raw = Raw.With(13, 10, (uint)value);
    }

    /// <summary>Bits 15:14, PIC: 0 off, 1 amber, 2 green.</summary>
    public int Indicator
    {
        get => (int)Raw.Bits(15, 14);
        init => Raw = Raw.With(15, 14, (uint)value);
    }

    /// <summary>Bit 16, LWS: the link state is to be written; reads as zero.</summary>
    public bool LinkStateStrobe
    {
        get => Raw.Bit(16);
        init => Raw = Raw.With(16, value);
    }

    /// <summary>Bit 17, CSC: bit 0 changed, or cold attach rose; written ones clear it.</summary>
    public bool ConnectChange
    {
        get => Raw.Bit(17);
        init => Raw = Raw.With(17, value);
    }

    /// <summary>Bit 18, PEC: the port was disabled by an error; written ones clear it.</summary>
    public bool EnableChange
    {
        get => Raw.Bit(18);
        init => Raw = Raw.With(18, value);
    }

    /// <summary>Bit 19, WRC: a warm reset ended; written ones clear it.</summary>
    public bool WarmResetChange
    {
        get => Raw.Bit(19);
        init => Raw = Raw.With(19, value);
    }

    /// <summary>Bit 20, OCC: bit 3 changed; written ones clear it.</summary>
    public bool OverCurrentChange
    {
        get => Raw.Bit(20);
        init => Raw = Raw.With(20, value);
    }

    /// <summary>Bit 21, PRC: a reset ended; written ones clear it.</summary>
    public bool ResetChange
    {
        get => Raw.Bit(21);
        init => Raw = Raw.With(21, value);
    }

    /// <summary>Bit 22, PLC: the link went to another state by itself; written ones clear it.</summary>
    public bool LinkStateChange
    {
        get => Raw.Bit(22);
        init => Raw = Raw.With(22, value);
    }

    /// <summary>Bit 23, CEC: the link could not be configured; written ones clear it.</summary>
    public bool ConfigureErrorChange
    {
        get => Raw.Bit(23);
        init => Raw = Raw.With(23, value);
    }

    /// <summary>Bit 24, CAS: a device asks for a warm reset before its link can be used; read only.</summary>
    public bool ColdAttach
    {
        get => Raw.Bit(24);
        init => Raw = Raw.With(24, value);
    }

    /// <summary>Bit 25, WCE: a connect wakes the system.</summary>
    public bool WakeOnConnect
    {
        get => Raw.Bit(25);
        init => Raw = Raw.With(25, value);
    }

    /// <summary>Bit 26, WDE: a disconnect wakes the system.</summary>
    public bool WakeOnDisconnect
    {
        get => Raw.Bit(26);
        init => Raw = Raw.With(26, value);
    }

    /// <summary>Bit 27, WOE: too much current wakes the system.</summary>
    public bool WakeOnOverCurrent
    {
        get => Raw.Bit(27);
        init => Raw = Raw.With(27, value);
    }

    /// <summary>Bit 30, DR: the device cannot be pulled out; read only.</summary>
    public bool NotRemovable
    {
        get => Raw.Bit(30);
        init => Raw = Raw.With(30, value);
    }

    /// <summary>Bit 31, WPR: a written one begins a warm reset, USB 3 only; reads as zero.</summary>
    public bool WarmReset
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }
}
