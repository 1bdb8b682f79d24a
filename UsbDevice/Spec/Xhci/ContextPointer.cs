using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>The address of a table or context, such as DCBAAP, the entries of the array there, and ERSTBA (xHCI, device context base address array).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct ContextPointer(Bits64 Raw)
{
    /// <summary>Bits 63:6, a multiple of 64.</summary>
    public ulong Address
    {
        get => Raw.Bits(63, 6) << 6;
        init => Raw = Raw.With(63, 6, Aligned.Shift(value, 6));
    }
}
