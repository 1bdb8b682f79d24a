using Dma.Machine;

namespace Dma.Hal.Spec;

/// <summary>Where a request goes (Xen, io/usbif.h, pipe).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct UrbPipe(Bits32 Raw)
{
    /// <summary>Bits 4:0, the port, from 1.</summary>
    public int Port
    {
        get => (int)Raw.Bits(4, 0);
        init => Raw = Raw.With(4, 0, (uint)value);
    }

    /// <summary>Bit 5: not a transfer, but the wish that another request ends.</summary>
    public bool Unlink
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }

    /// <summary>Bit 7, the device sends.</summary>
    public bool In
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bits 14:8, the address that the guest gave the device.</summary>
    public int Device
    {
        get => (int)Raw.Bits(14, 8);
        init => Raw = Raw.With(14, 8, (uint)value);
    }

    /// <summary>Bits 18:15, the number of the endpoint.</summary>
    public int Endpoint
    {
        get => (int)Raw.Bits(18, 15);
        init => Raw = Raw.With(18, 15, (uint)value);
    }

    /// <summary>Bits 31:30, the kind of transfer.</summary>
    public UrbType Type
    {
        get => (UrbType)Raw.Bits(31, 30);
        init => Raw = Raw.With(31, 30, (uint)value);
    }
}
