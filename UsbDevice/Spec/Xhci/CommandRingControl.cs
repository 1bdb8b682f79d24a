using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>CRCR (xHCI, command ring control register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct CommandRingControl(Bits64 Raw)
{
    /// <summary>Bit 0, RCS: the cycle bit of TRBs that belong to the controller; reads as zero.</summary>
    public bool CycleState
    {
        get => Raw.Bit(0);
        init => Raw = Raw.With(0, value);
    }

    /// <summary>Bit 1, CS: stop after the current command; reads as zero.</summary>
    public bool Stop
    {
        get => Raw.Bit(1);
        init => Raw = Raw.With(1, value);
    }

    /// <summary>Bit 2, CA: stop the current command too; reads as zero.</summary>
    public bool Abort
    {
        get => Raw.Bit(2);
        init => Raw = Raw.With(2, value);
    }

    /// <summary>Bit 3, CRR: the ring runs; read only.</summary>
    public bool Running
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bits 63:6, where the ring begins, a multiple of 64; reads as zero, ignores writes while the ring runs.</summary>
    public ulong Pointer
    {
        get => Raw.Bits(63, 6) << 6;
        init => Raw = Raw.With(63, 6, Aligned.Shift(value, 6));
    }
}
