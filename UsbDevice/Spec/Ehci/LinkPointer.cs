using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A pointer from one schedule structure to the next (EHCI, schedule data structures).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct LinkPointer(Bits32 Raw)
{
    /// <summary>Bit 0, T: the pointer is not valid.</summary>
    public bool Terminate
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bits 2:1, what lies there; queue-element descriptors do not use it.</summary>
    public LinkType Type
    {
        get => (LinkType)Raw.Bits(2, 1);
        init => Raw = Raw.With(2, 1, (uint)value);
    }

    /// <summary>Bits 31:5, the address, a multiple of 32; CTRLDSSEGMENT adds bits 63:32.</summary>
    public uint Address
    {
        get => Raw.Bits(31, 5) << 5;
        init => Raw = Raw.With(31, 5, Aligned.Shift(value, 5));
    }
}
