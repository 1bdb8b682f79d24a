using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>PORTHLPMC of a USB 2 port (xHCI, port hardware LPM control register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct Usb2PortHardwareLpm(Bits32 Raw)
{
    /// <summary>Bits 1:0, HIRDM: 0 uses BESL alone, 1 uses BESLD for deep sleep.</summary>
    public int ResumeMode
    {
        get => (int)Raw.Bits(1, 0);
        init => Raw = Raw.With(1, 0, (uint)value);
    }

    /// <summary>Bits 9:2, idle time before the controller enters L1, in 256 microseconds; 0 for 128 microseconds.</summary>
    public int L1Timeout
    {
        get => (int)Raw.Bits(9, 2);
        init => Raw = Raw.With(9, 2, (uint)value);
    }

    /// <summary>Bits 13:10, BESLD: the latency that goes with deep sleep, coded.</summary>
    public int DeepResumeLatency
    {
        get => (int)Raw.Bits(13, 10);
        init => Raw = Raw.With(13, 10, (uint)value);
    }
}
