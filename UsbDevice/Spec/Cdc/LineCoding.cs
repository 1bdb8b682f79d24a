using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>How bits travel on the line (USB CDC PSTN, line coding).</summary>
/// <param name="Raw">Bits 55:0; the rest is zero.</param>
public readonly record struct LineCoding(Bits64 Raw)
{
    /// <summary>Bytes of data.</summary>
    public const int Size = 7;

    /// <summary>Bits 31:0, dwDTERate, in bits per second.</summary>
    public uint Rate
    {
        get => (uint)Raw.Bits(31, 0);
        init => Raw = Raw.With(31, 0, value);
    }

    /// <summary>Bits 39:32, bCharFormat.</summary>
    public StopBits StopBits
    {
        get => (StopBits)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, (ulong)value);
    }

    /// <summary>Bits 47:40, bParityType.</summary>
    public Parity Parity
    {
        get => (Parity)Raw.Bits(47, 40);
        init => Raw = Raw.With(47, 40, (ulong)value);
    }

    /// <summary>Bits 55:48, bDataBits: 5, 6, 7, 8 or 16.</summary>
    public byte DataBits
    {
        get => (byte)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, value);
    }
}
