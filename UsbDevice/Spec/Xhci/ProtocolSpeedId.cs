using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>One speed of a supported protocol (xHCI, protocol speed identifier).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ProtocolSpeedId(Bits32 Raw)
{
    /// <summary>Bits 3:0, PSIV: the number of the speed in PORTSC and slot contexts.</summary>
    public int Value
    {
        get => (int)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (uint)value);
    }

    /// <summary>Bits 5:4, PSIE: the power of 1000 that the mantissa is multiplied with.</summary>
    public int Exponent
    {
        get => (int)Raw.Bits(5, 4);
        init => Raw = Raw.With(5, 4, (uint)value);
    }

    /// <summary>Bits 7:6, PLT: 0 symmetric, 2 asymmetric receiving, 3 asymmetric sending.</summary>
    public int LinkType
    {
        get => (int)Raw.Bits(7, 6);
        init => Raw = Raw.With(7, 6, (uint)value);
    }

    /// <summary>Bit 8, PFD: both ways at the same time.</summary>
    public bool FullDuplex
    {
        get => Raw.Bit(8);
        init => Raw = Raw.With(8, value);
    }

    /// <summary>Bits 15:14, LP: 0 SuperSpeed, 1 SuperSpeedPlus.</summary>
    public int LinkProtocol
    {
        get => (int)Raw.Bits(15, 14);
        init => Raw = Raw.With(15, 14, (uint)value);
    }

    /// <summary>Bits 31:16, PSIM: bits per second.</summary>
    public int Mantissa
    {
        get => (int)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, (uint)value);
    }
}
