using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>The address of an interrupt request, as a unit that remaps interrupts reads it (VT-d, interrupt requests in remappable format).</summary>
/// <remarks>Bits 31:20 are FEEh; bits 1:0 of a doubleword's address are zero. In compatibility format bits 19:5 and 3:2 have the meaning that processors give them.</remarks>
/// <param name="Raw">All 64 bits; 63:32 are zero.</param>
public readonly record struct InterruptRequestAddress(Bits64 Raw)
{
    /// <summary>Bits 2 and 19:5, HANDLE: the index of the entry, or of the first of several.</summary>
    public int Handle
    {
        get => (int)((Raw.Bits(2, 2) << 15) | Raw.Bits(19, 5));
        init => Raw = Raw.With(2, 2, (ulong)value >> 15).With(19, 5, (ulong)value & 0x7FFF);
    }

    /// <summary>Bit 3, SHV: the data hold a subhandle, which is added to the handle.</summary>
    public bool SubhandleValid
    {
        get => Raw.Bit(3);
        init => Raw = Raw.With(3, value);
    }

    /// <summary>Bit 4: remappable format; else compatibility format.</summary>
    public bool IsRemappable
    {
        get => Raw.Bit(4);
        init => Raw = Raw.With(4, value);
    }
}
