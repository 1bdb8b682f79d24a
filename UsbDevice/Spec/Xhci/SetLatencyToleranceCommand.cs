using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Sets the best effort latency tolerance (xHCI, set latency tolerance value command TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct SetLatencyToleranceCommand(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

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

    /// <summary>Bits 123:112, BELT: the value, with its scale in the upper two bits.</summary>
    public int Tolerance
    {
        get => (int)Raw.Bits(123, 112);
        init => Raw = Raw.With(123, 112, (ulong)value);
    }
}
