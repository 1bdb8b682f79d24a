using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>A pointer from one qTD to another, and in an overlay the NAK counter (EHCI, queue element transfer descriptor; queue head overlay).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct TransferLink(Bits32 Raw)
{
    /// <summary>Bit 0, T: the pointer is not valid.</summary>
    public bool Terminate
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bits 4:1, NakCnt, in the alternate pointer of an overlay: NAKs that are left in this pass.</summary>
    public int NakCounter
    {
        get => (int)Raw.Bits(4, 1);
        init => Raw = Raw.With(4, 1, (uint)value);
    }

    /// <summary>Bits 31:5, the address, a multiple of 32; CTRLDSSEGMENT adds bits 63:32.</summary>
    public uint Address
    {
        get => Raw.Bits(31, 5) << 5;
        init => Raw = Raw.With(31, 5, Aligned.Shift(value, 5));
    }
}
