using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>Doubleword 2 of a siTD: in which microframes (EHCI, siTD microframe schedule control).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct SplitIsochronousSchedule(Bits32 Raw)
{
    /// <summary>Bits 7:0, S-mask: microframes in which splits are started.</summary>
    public byte StartMask
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, C-mask: microframes in which splits are completed.</summary>
    public byte CompleteMask
    {
        get => (byte)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, value);
    }
}
