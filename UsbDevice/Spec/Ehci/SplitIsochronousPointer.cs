using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A buffer page of a siTD, with what else is kept in its low bits (EHCI, siTD buffer pointer list).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct SplitIsochronousPointer(Bits32 Raw)
{
    /// <summary>Bits 11:0, in page 0, the current offset.</summary>
    public int Offset
    {
        get => (int)Raw.Bits(11, 0);
        init => Raw = Raw.With(11, 0, (uint)value);
    }

    /// <summary>Bits 2:0, in page 1, T-count: start-splits that are left.</summary>
    public int TransactionCount
    {
        get => (int)Raw.Bits(2, 0);
        init => Raw = Raw.With(2, 0, (uint)value);
    }

    /// <summary>Bits 4:3, in page 1, TP: which part the next start-split carries.</summary>
    public SplitPosition Position
    {
        get => (SplitPosition)Raw.Bits(4, 3);
        init => Raw = Raw.With(4, 3, (uint)value);
    }

    /// <summary>Bits 31:12, the address of the page.</summary>
    public uint Page
    {
        get => Raw.Bits(31, 12) << 12;
        init => Raw = Raw.With(31, 12, Aligned.Shift(value, 12));
    }
}
