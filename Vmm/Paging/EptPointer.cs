using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The pointer to a VM's second-level paging structures (Intel 64 manual, volume 3, EPTP).</summary>
/// <param name="Raw">The 64 bits.</param>
public readonly record struct EptPointer(Bits64 Raw)
{
    /// <summary>Bits 2:0: how the structures themselves are cached, uncacheable or write-back.</summary>
    public EptMemoryType MemoryType => (EptMemoryType)Raw.Bits(2, 0);

    /// <summary>Bits 5:3 plus one: levels of the walk.</summary>
    public int Levels => (int)Raw.Bits(5, 3) + 1;

    /// <summary>Bit 6: the processor sets accessed and dirty bits.</summary>
    public bool TracksAccess
    {
        get => Raw.Bit(6);
        init => Raw = Raw.With(6, value);
    }

    /// <summary>Bits 51:12: the table of the highest level.</summary>
    public PhysicalAddress Root => new(Raw.Bits(51, 12) << 12);

    /// <summary>A pointer to write-back structures of four levels without accessed and dirty bits.</summary>
    public static EptPointer To(PhysicalAddress root) =>
        new(new Bits64(0).With(2, 0, (ulong)EptMemoryType.WriteBack).With(5, 3, 3).With(51, 12, root.Page));
}
