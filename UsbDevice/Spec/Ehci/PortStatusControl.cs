using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>PORTSC: one root port (EHCI, port status and control register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct PortStatusControl(Bits32 Raw)
{
    /// <summary>Bit 0, CCS: a device is there; read only.</summary>
    public bool Connected
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, CSC: bit 0 changed; written ones clear it.</summary>
    public bool ConnectChange
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, PED: packets pass; set by hardware at the end of a reset, software may only clear it.</summary>
    public bool Enabled
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, PEDC: the port was disabled by an error; written ones clear it.</summary>
    public bool EnableChange
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, OCA: too much current flows; read only.</summary>
    public bool OverCurrent
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 5, OCC: bit 4 changed; written ones clear it.</summary>
    public bool OverCurrentChange
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }

    /// <summary>Bit 6, FPR: resume is signalled.</summary>
    public bool ForceResume
    {
        get => Raw.Bit(6);
        init => Raw = Raw.With(6, value);
    }

    /// <summary>Bit 7, the port is suspended.</summary>
    public bool Suspend
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bit 8, PR: reset is signalled.</summary>
    public bool Reset
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bits 11:10, the level of the lines; read only.</summary>
    public LineState LineState
    {
        get => (LineState)Raw.Bits(11, 10);
        init => Raw = Raw.With(11, 10, (uint)value);
    }

    /// <summary>Bit 12, PP: the port has power.</summary>
    public bool Power
    {
        get => Raw.Bit(12);
        init => Raw = Raw.With(12, value);
    }

    /// <summary>Bit 13, the port belongs to a companion controller.</summary>
    public bool Owner
    {
        get => Raw.Bit(13);
        init => Raw = Raw.With(13, value);
    }

    /// <summary>Bits 15:14, PIC: 0 off, 1 amber, 2 green.</summary>
    public int Indicator
    {
        get => (int)Raw.Bits(15, 14);
        init => Raw = Raw.With(15, 14, (uint)value);
    }

    /// <summary>Bits 19:16, PTC: 0 for none, 4 sends test packets, 5 forces the port enabled.</summary>
    public int TestMode
    {
        get => (int)Raw.Bits(19, 16);
        init => Raw = Raw.With(19, 16, (uint)value);
    }

    /// <summary>Bit 20, WKCNNT_E: a connect wakes the system.</summary>
    public bool WakeOnConnect
    {
        get => Raw.Bit(20);
        init => Raw = Raw.With(20, value);
    }

    /// <summary>Bit 21, WKDSCNNT_E: a disconnect wakes the system.</summary>
    public bool WakeOnDisconnect
    {
        get => Raw.Bit(21);
        init => Raw = Raw.With(21, value);
    }

    /// <summary>Bit 22, WKOC_E: too much current wakes the system.</summary>
    public bool WakeOnOverCurrent
    {
        get => Raw.Bit(22);
        init => Raw = Raw.With(22, value);
    }

    /// <summary>Bits 24:23, what became of a request to enter link power management: 0 entered, 1 not yet, 2 not supported, 3 error (EHCI 1.1).</summary>
    public int SuspendStatus
    {
        get => (int)Raw.Bits(24, 23);
        init => Raw = Raw.With(24, 23, (uint)value);
    }

    /// <summary>Bits 31:25, the device that link power management speaks to (EHCI 1.1).</summary>
    public int DeviceAddress
    {
        get => (int)Raw.Bits(31, 25);
        init => Raw = Raw.With(31, 25, (uint)value);
    }
}
