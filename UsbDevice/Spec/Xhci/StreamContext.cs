using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>An entry of a stream array (xHCI, stream context).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct StreamContext(Bits128 Raw)
{
    /// <summary>Bytes in memory.</summary>
    public const int Size = 16;

    /// <summary>Bit 0, DCS: the cycle bit of TRBs that belong to the controller.</summary>
    public bool CycleState
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bits 3:1, SCT: what lies at the pointer.</summary>
    public StreamContextType Type
    {
        get => (StreamContextType)Raw.Bits(3, 1);
        init => Raw = Raw.With(3, 1, (ulong)value);
    }

    /// <summary>Bits 63:4, the next TRB of the ring, or a secondary array; a multiple of 16.</summary>
    public ulong Dequeue
    {
        get => Raw.Bits(63, 4) << 4;
        init => Raw = Raw.With(63, 4, Aligned.Shift(value, 4));
    }

    /// <summary>Bits 87:64, EDTLA when the endpoint was stopped, where HCCPARAMS1.SEC is set.</summary>
    public int StoppedLength
    {
        get => (int)Raw.Bits(87, 64);
        init => Raw = Raw.With(87, 64, (ulong)value);
    }
}
