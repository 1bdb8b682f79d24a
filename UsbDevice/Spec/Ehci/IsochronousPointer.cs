using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A buffer page of an iTD, with what else is kept in its low bits (EHCI, iTD buffer page pointer list).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct IsochronousPointer(Bits32 Raw)
{
    /// <summary>Bits 6:0, in page 0: the device.</summary>
    public int DeviceAddress
    {
        get => (int)Raw.Bits(6, 0);
        init => Raw = Raw.With(6, 0, (uint)value);
    }

    /// <summary>Bits 11:8, in page 0: the endpoint.</summary>
    public int Endpoint
    {
        get => (int)Raw.Bits(11, 8);
        init => Raw = Raw.With(11, 8, (uint)value);
    }

    /// <summary>Bits 10:0, in page 1: bytes in a full packet, at most 400h.</summary>
    public int MaxPacketSize
    {
        get => (int)Raw.Bits(10, 0);
        init => Raw = Raw.With(10, 0, (uint)value);
    }

    /// <summary>Bit 11, in page 1: IN, from device to memory.</summary>
    public bool In
    {
        get => Raw.Bit(11);
        init => Raw = Raw.With(11, value);
    }

    /// <summary>Bits 1:0, in page 2, Mult: transactions in a microframe, 1 to 3.</summary>
    public int Multiplier
    {
        get => (int)Raw.Bits(1, 0);
        init => Raw = Raw.With(1, 0, (uint)value);
    }

    /// <summary>Bits 31:12, the address of the page.</summary>
    public uint Page
    {
        get => Raw.Bits(31, 12) << 12;
        init => Raw = Raw.With(31, 12, Aligned.Shift(value, 12));
    }
}
