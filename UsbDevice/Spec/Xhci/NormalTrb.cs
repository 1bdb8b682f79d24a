using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A buffer of a transfer (xHCI, normal TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct NormalTrb(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bits 63:0, the address of the buffer, or up to 8 bytes of data.</summary>
    public ulong Buffer
    {
        get => Raw.Bits(63, 0);
        init => Raw = Raw.With(63, 0, value);
    }

    /// <summary>Bits 80:64, bytes, 0 to 65536.</summary>
    public int Length
    {
        get => (int)Raw.Bits(80, 64);
        init => Raw = Raw.With(80, 64, (ulong)value);
    }

    /// <summary>Bits 85:81, packets that follow in the transfer descriptor after this TRB, at most 31; 0 in the last TRB.</summary>
    public int TdSize
    {
        get => (int)Raw.Bits(85, 81);
        init => Raw = Raw.With(85, 81, (ulong)value);
    }

    /// <summary>Bits 95:86, which one gets the events.</summary>
    public int Interrupter
    {
        get => (int)Raw.Bits(95, 86);
        init => Raw = Raw.With(95, 86, (ulong)value);
    }

    /// <summary>Bit 96, whose TRB it is.</summary>
    public bool Cycle
    {
        get => Raw.Bit(96);
        init => Raw = Raw.With(96, value);
    }

    /// <summary>Bit 97, ENT: look at the next TRB before the endpoint is put aside.</summary>
    public bool EvaluateNext
    {
        get => Raw.Bit(97);
        init => Raw = Raw.With(97, value);
    }

    /// <summary>Bit 98, ISP: an event also where a packet is short.</summary>
    public bool InterruptOnShort
    {
        get => Raw.Bit(98);
        init => Raw = Raw.With(98, value);
    }

    /// <summary>Bit 99, NS: caches need not be asked.</summary>
    public bool NoSnoop
    {
        get => Raw.Bit(99);
        init => Raw = Raw.With(99, value);
    }

    /// <summary>Bit 100, CH: the next TRB belongs to the same transfer descriptor.</summary>
    public bool Chain
    {
        get => Raw.Bit(100);
        init => Raw = Raw.With(100, value);
    }

    /// <summary>Bit 101, IOC: an event when it is done.</summary>
    public bool InterruptOnCompletion
    {
        get => Raw.Bit(101);
        init => Raw = Raw.With(101, value);
    }

    /// <summary>Bit 102, IDT: the data itself stands in place of the address.</summary>
    public bool Immediate
    {
        get => Raw.Bit(102);
        init => Raw = Raw.With(102, value);
    }

    /// <summary>Bit 105, BEI: the event of IOC does not interrupt.</summary>
    public bool BlockInterrupt
    {
        get => Raw.Bit(105);
        init => Raw = Raw.With(105, value);
    }

    /// <summary>Bits 111:106, what it is.</summary>
    public TrbType Type
    {
        get => (TrbType)Raw.Bits(111, 106);
        init => Raw = Raw.With(111, 106, (ulong)value);
    }
}
