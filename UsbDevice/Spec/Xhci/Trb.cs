using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A transfer request block: what all have in common (xHCI, TRB template).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct Trb(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 63:0, what it is about.</summary>
    public ulong Parameter
    {
        get => Raw.Bits(63, 0);
        init => Raw = Raw.With(63, 0, value);
    }

    /// <summary>Bits 95:64, lengths and outcomes.</summary>
    public uint Status
    {
        get => (uint)Raw.Bits(95, 64);
        init => Raw = Raw.With(95, 64, value);
    }

    /// <summary>Bits 127:96, cycle, flags and type, the two fields below among them.</summary>
    public uint Control
    {
        get => (uint)Raw.Bits(127, 96);
        init => Raw = Raw.With(127, 96, value);
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
}
