using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A buffer page of a qTD, with what else is kept in its low bits (EHCI, qTD buffer page pointers; queue head overlay).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct BufferPointer(Bits32 Raw)
{
    /// <summary>Bits 11:0, in page 0, the current offset.</summary>
    public int Offset
    {
        get => (int)Raw.Bits(11, 0);
        init => Raw = Raw.With(11, 0, (uint)value);
    }

    /// <summary>Bits 7:0, in page 1 of a queue head, C-prog-mask: complete-splits done.</summary>
    public byte CompleteSplitProgress
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 4:0, in page 2 of a queue head: the frame that a split belongs to.</summary>
    public int FrameTag
    {
        get => (int)Raw.Bits(4, 0);
        init => Raw = Raw.With(4, 0, (uint)value);
    }

    /// <summary>Bits 11:5, in page 2 of a queue head, S-bytes: bytes of a split that were moved.</summary>
    public int SplitBytes
    {
        get => (int)Raw.Bits(11, 5);
        init => Raw = Raw.With(11, 5, (uint)value);
    }

    /// <summary>Bits 31:12, the address of the page.</summary>
    public uint Page
    {
        get => Raw.Bits(31, 12) << 12;
        init => Raw = Raw.With(31, 12, Aligned.Shift(value, 12));
    }
}
