using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>An entry of the scratchpad buffer array: a page for the controller alone (xHCI, scratchpad buffer array).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ScratchpadPointer(Bits64 Raw)
{
    /// <summary>Bits 63:12, a multiple of the page size.</summary>
    public ulong Address
    {
        get => Raw.Bits(63, 12) << 12;
        init => Raw = Raw.With(63, 12, Aligned.Shift(value, 12));
    }
}
