using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The data of SET_SEL: how long the way to the host takes to wake (USB 3.x, set SEL).</summary>
/// <param name="Raw">Bits 47:0; the rest is zero.</param>
public readonly record struct ExitLatencies(Bits64 Raw)
{
    /// <summary>Bytes of data.</summary>
    public const int Size = 6;

    /// <summary>Bits 7:0, U1SEL, in microseconds.</summary>
    public byte U1System
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, U1PEL, in microseconds.</summary>
    public byte U1Path
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }

    /// <summary>Bits 31:16, U2SEL, in microseconds.</summary>
    public ushort U2System
    {
        get => (ushort)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, value);
    }

    /// <summary>Bits 47:32, U2PEL, in microseconds.</summary>
    public ushort U2Path
    {
        get => (ushort)Raw.Bits(47, 32);
        init => Raw = Raw.With(47, 32, value);
    }
}
