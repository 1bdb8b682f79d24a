using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>USBCMD: what the controller shall do (EHCI, USB command register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct UsbCommand(Bits32 Raw)
{
    /// <summary>Bit 0, RS: work on the schedules.</summary>
    public bool Run
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, HCRESET: put everything to its reset value; clears itself.</summary>
    public bool Reset
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bits 3:2, the length of the frame list; writable only where HCCPARAMS says so.</summary>
    public FrameListSize FrameListSize
    {
        get => (FrameListSize)Raw.Bits(3, 2);
        init => Raw = Raw.With(3, 2, (uint)value);
    }

    /// <summary>Bit 4, PSE: asks for the periodic schedule.</summary>
    public bool PeriodicEnable
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 5, ASE: asks for the asynchronous schedule.</summary>
    public bool AsyncEnable
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }

    /// <summary>Bit 6, IAAD: asks to be told when no queue head unlinked before is held any more; hardware clears it.</summary>
    public bool AsyncAdvanceDoorbell
    {
        get => Raw.Bit(6);
        init => Raw = Raw.With(6, value);
    }

    /// <summary>Bit 7, LHCRESET: reset that leaves the ports alone; optional.</summary>
    public bool LightReset
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bits 9:8, transactions in a row from one queue head, 1 to 3, where park mode is on.</summary>
    public int ParkCount
    {
        get => (int)Raw.Bits(9, 8);
        init => Raw = Raw.With(9, 8, (uint)value);
    }

    /// <summary>Bit 11, park mode.</summary>
    public bool ParkEnable
    {
        get => Raw.Bit(11);
        init => Raw = Raw.With(11, value);
    }

    /// <summary>Bit 12, periodic structures may be read ahead (EHCI 1.1).</summary>
    public bool PeriodicPrefetch
    {
        get => Raw.Bit(12);
        init => Raw = Raw.With(12, value);
    }

    /// <summary>Bit 13, asynchronous structures may be read ahead (EHCI 1.1).</summary>
    public bool AsyncPrefetch
    {
        get => Raw.Bit(13);
        init => Raw = Raw.With(13, value);
    }

    /// <summary>Bit 14, what was read ahead is checked against memory before it is used (EHCI 1.1).</summary>
    public bool FullySynchronizedPrefetch
    {
        get => Raw.Bit(14);
        init => Raw = Raw.With(14, value);
    }

    /// <summary>Bit 15, each port has its own change bit (EHCI 1.1).</summary>
    public bool PerPortChangeEnable
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }

    /// <summary>Bits 23:16, ITC: microframes between interrupts; 1, 2, 4, 8, 16, 32 or 64.</summary>
    public int InterruptThreshold
    {
        get => (int)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, (uint)value);
    }

    /// <summary>Bits 27:24, HIRD: how long a resume from link power management takes (EHCI 1.1).</summary>
    public int ResumeDuration
    {
        get => (int)Raw.Bits(27, 24);
        init => Raw = Raw.With(27, 24, (uint)value);
    }
}
