using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>PORTPMSC of a USB 2 port (xHCI, USB 2 port power management status and control register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct Usb2PortPower(Bits32 Raw)
{
    /// <summary>Bits 2:0, L1S: how the last request to enter L1 ended; read only.</summary>
    public Usb2L1Status L1Status
    {
        get => (Usb2L1Status)Raw.Bits(2, 0);
        init => Raw = Raw.With(2, 0, (uint)value);
    }

    /// <summary>Bit 3, RWE: the device may wake the link out of L1.</summary>
    public bool RemoteWake
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bits 7:4, BESL: how long a resume is signalled, coded.</summary>
    public int ResumeLatency
    {
        get => (int)Raw.Bits(7, 4);
        init => Raw = Raw.With(7, 4, (uint)value);
    }

    /// <summary>Bits 15:8, the slot of the device that is asked to enter L1.</summary>
    public byte L1Slot
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }

    /// <summary>Bit 16, HLE: the controller enters L1 by itself.</summary>
    public bool HardwareLpm
    {
        get => Raw.Bit(16);
        init => Raw = Raw.With(16, value);
    }

    /// <summary>Bits 31:28, 0 for none, 4 sends test packets, 5 forces the port enabled, 15 after a failure.</summary>
    public int TestMode
    {
        get => (int)Raw.Bits(31, 28);
        init => Raw = Raw.With(31, 28, (uint)value);
    }
}
