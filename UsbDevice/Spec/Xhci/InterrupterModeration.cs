using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>IMOD (xHCI, interrupter moderation register).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct InterrupterModeration(Bits32 Raw)
{
    /// <summary>Bits 15:0, IMODI: the least time between two interrupts, in 250 nanoseconds; 0 for none.</summary>
    public int Interval
    {
        get => (int)Raw.Bits(15, 0);
        init => Raw = Raw.With(15, 0, (uint)value);
    }

    /// <summary>Bits 31:16, IMODC: what is left of it, in 250 nanoseconds.</summary>
    public int Counter
    {
        get => (int)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, (uint)value);
    }
}
