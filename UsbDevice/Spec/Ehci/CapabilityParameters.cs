using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>HCCPARAMS: what the controller can do (EHCI, capability parameters).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct CapabilityParameters(Bits32 Raw)
{
    /// <summary>Bit 0, structures have upper address doublewords, and CTRLDSSEGMENT is writable.</summary>
    public bool Addresses64Bit
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, the length of the frame list can be chosen.</summary>
    public bool ProgrammableFrameList
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, the controller can park on a queue head of the asynchronous schedule.</summary>
    public bool AsyncPark
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bits 6:4, microframes that the controller reads isochronous structures ahead, where bit 7 is clear.</summary>
    public int IsochronousThreshold
    {
        get => (int)Raw.Bits(6, 4);
        init => Raw = Raw.With(6, 4, (uint)value);
    }

    /// <summary>Bit 7, the controller reads isochronous structures of a whole frame ahead.</summary>
    public bool CachesWholeFrame
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bits 15:8, EECP: the offset of the legacy capability in configuration space; below 40h there is none.</summary>
    public byte ExtendedCapabilities
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }

    /// <summary>Bit 16, prefetch can be switched on (EHCI 1.1).</summary>
    public bool HardwarePrefetch
    {
        get => Raw.Bit(16);
        init => Raw = Raw.With(16, value);
    }

    /// <summary>Bit 17, link power management (EHCI 1.1).</summary>
    public bool LinkPowerManagement
    {
        get => Raw.Bit(17);
        init => Raw = Raw.With(17, value);
    }

    /// <summary>Bit 18, change events by port (EHCI 1.1).</summary>
    public bool PerPortChangeEvents
    {
        get => Raw.Bit(18);
        init => Raw = Raw.With(18, value);
    }

    /// <summary>Bit 19, frame lists of 32 elements (EHCI 1.1).</summary>
    public bool ShortFrameList
    {
        get => Raw.Bit(19);
        init => Raw = Raw.With(19, value);
    }
}
