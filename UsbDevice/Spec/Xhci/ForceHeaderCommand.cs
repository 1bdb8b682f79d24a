using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Sends a link management or transaction packet (xHCI, force header command TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ForceHeaderCommand(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 4:0, the type of the packet.</summary>
    public int PacketType
    {
        get => (int)Raw.Bits(4, 0);
        init => Raw = Raw.With(4, 0, (ulong)value);
    }

    /// <summary>Bits 63:5, the rest of its first two doublewords.</summary>
    public ulong HeaderLow
    {
        get => Raw.Bits(63, 5);
        init => Raw = Raw.With(63, 5, value);
    }

    /// <summary>Bits 95:64, its third doubleword.</summary>
    public uint HeaderHigh
    {
        get => (uint)Raw.Bits(95, 64);
        init => Raw = Raw.With(95, 64, value);
    }

    /// <summary>Bit 96, whose TRB it is.</summary>
    public bool Cycle
    {
        get => Raw.Bit(96);
        init => Raw = Raw.With(96, value);
    }

    /// <summary>Bits 111:106, what it is.</summary>
    public TrbType Type
    {
        get => (TrbType)Raw.Bits(111, 106);
        init => Raw = Raw.With(111, 106, (ulong)value);
    }

    /// <summary>Bits 127:120, where it leaves.</summary>
    public byte RootPort
    {
        get => (byte)Raw.Bits(127, 120);
        init => Raw = Raw.With(127, 120, value);
    }
}
