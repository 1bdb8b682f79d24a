using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The token doubleword of a qTD and of a queue head's overlay (EHCI, qTD token).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct TransferToken(Bits32 Raw)
{
    /// <summary>Bit 0, P/ERR: a high-speed OUT endpoint is asked by PING first; behind a translator, a split ended in ERR.</summary>
    public bool Ping
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, SplitXstate: the next is a complete-split.</summary>
    public bool SplitTransactionState
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, a complete-split of a periodic transaction was missed.</summary>
    public bool MissedMicroframe
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, XactErr: no answer, or one that made no sense.</summary>
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

    /// <summary>Bit 6, the queue stopped for an error or a STALL.</summary>
    public bool Halted
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

    /// <summary>Bits 9:8, the token of each transaction.</summary>
    public PacketId PacketId
    {
        get => (PacketId)Raw.Bits(9, 8);
        init => Raw = Raw.With(9, 8, (uint)value);
    }

    /// <summary>Bits 11:10, CERR: errors in a row that are still allowed; 0 retries for ever.</summary>
    public int ErrorCount
    {
        get => (int)Raw.Bits(11, 10);
        init => Raw = Raw.With(11, 10, (uint)value);
    }

    /// <summary>Bits 14:12, C_PAGE: which of the five pages the data is at, 0 to 4.</summary>
    public int CurrentPage
    {
        get => (int)Raw.Bits(14, 12);
        init => Raw = Raw.With(14, 12, (uint)value);
    }

    /// <summary>Bit 15, IOC: interrupt when retired.</summary>
    public bool InterruptOnComplete
    {
        get => Raw.Bit(15);
        init => Raw = Raw.With(15, value);
    }

    /// <summary>Bits 30:16, bytes that are still to be moved, at most 5000h.</summary>
    public int TotalBytes
    {
        get => (int)Raw.Bits(30, 16);
        init => Raw = Raw.With(30, 16, (uint)value);
    }

    /// <summary>Bit 31, DT: DATA1 is next.</summary>
    public bool DataToggle
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }
}
