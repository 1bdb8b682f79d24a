using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Moves a ring (xHCI, set TR dequeue pointer command TRB).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct SetDequeueCommand(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bit 0, DCS: the cycle bit of TRBs that belong to the controller.</summary>
    public bool CycleState
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bits 3:1, SCT: of the stream context, where there are streams.</summary>
    public StreamContextType StreamType
    {
        get => (StreamContextType)Raw.Bits(3, 1);
        init => Raw = Raw.With(3, 1, (ulong)value);
    }

    /// <summary>Bits 63:4, the next TRB, a multiple of 16.</summary>
    public ulong Dequeue
    {
        get => Raw.Bits(63, 4) << 4;
        init => Raw = Raw.With(63, 4, Aligned.Shift(value, 4));
    }

    /// <summary>Bits 95:80, which stream; 0 for endpoints without.</summary>
    public ushort Stream
    {
        get => (ushort)Raw.Bits(95, 80);
        init => Raw = Raw.With(95, 80, value);
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

    /// <summary>Bits 116:112, the context index of the endpoint, 1 to 31.</summary>
    public int Endpoint
    {
        get => (int)Raw.Bits(116, 112);
        init => Raw = Raw.With(116, 112, (ulong)value);
    }

    /// <summary>Bits 127:120, the device slot.</summary>
    public byte Slot
    {
        get => (byte)Raw.Bits(127, 120);
        init => Raw = Raw.With(127, 120, value);
    }
}
