using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Doubleword 3 of a siTD: what is done and what is left (EHCI, siTD transfer state).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct SplitIsochronousState(Bits32 Raw)
{
    /// <summary>Bit 1, SplitXstate: the next is a complete-split.</summary>
    public bool SplitTransactionState
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, a complete-split was missed.</summary>
    public bool MissedMicroframe
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, no answer, or one that made no sense.</summary>
    public bool TransactionError
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4, the device sent more than it may.</summary>
    public bool Babble
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }

    /// <summary>Bit 5, the controller could not keep up with the data.</summary>
    public bool BufferError
    {
        get => Raw.Bit(5);
        init => Raw = Raw.With(5, value);
    }

    /// <summary>Bit 6, ERR: the translator answered ERR.</summary>
    public bool TranslatorError
    {
        get => Raw.Bit(6);
        init => Raw = Raw.With(6, value);
    }

    /// <summary>Bit 7, the controller shall execute this.</summary>
    public bool Active
    {
        get => Raw.Bit(7);
        init => Raw = Raw.With(7, value);
    }

    /// <summary>Bits 15:8, C-prog-mask: complete-splits done.</summary>
    public byte CompleteSplitProgress
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }

    /// <summary>Bits 25:16, bytes that are still to be moved, at most 1023.</summary>
    public int TotalBytes
    {
        get => (int)Raw.Bits(25, 16);
        init => Raw = Raw.With(25, 16, (uint)value);
    }

    /// <summary>Bit 30, which of the two pages the data is at.</summary>
    public bool PageSelect
    {
        get => Raw.Bit(30);
        init => Raw = Raw.With(30, value);
    }

    /// <summary>Bit 31, IOC: interrupt when done.</summary>
    public bool InterruptOnComplete
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }
}
