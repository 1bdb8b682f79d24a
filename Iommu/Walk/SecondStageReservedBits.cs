using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Which bits of second-stage entries are reserved on a unit.</summary>
internal static class SecondStageReservedBits
{
    private const int TransientMapping = 62;
    private const int Snoop = 11;
    private const int PageSize = 7;

    /// <summary>The masks of levels 1 to 5: those of level n are at 2n where PS is clear, at 2n + 1 where it is set.</summary>
    public static ulong[] Of(HardwareProfile profile)
    {
        ulong beyondHost = profile.HostAddressWidth < 52 ? Bits64.Mask(51, profile.HostAddressWidth) : 0;
        ulong always = beyondHost | Bits64.Mask(TransientMapping, TransientMapping);
        ulong snoop = Bits64.Mask(Snoop, Snoop);
        ulong size = Bits64.Mask(PageSize, PageSize);
        ulong leaf = always | (profile.ExtendedCapabilities.SnoopControl ? 0 : snoop);

        ulong[] masks = new ulong[12];
        for (int level = 1; level <= 5; level++)
        {
            // Without PS: a table pointer, but a page at level 1.
            masks[2 * level] = level == 1 ? leaf : always | snoop;

            // With PS: a page where the unit has the size; above level 3 PS itself is reserved; at level 1 it is ignored.
            masks[(2 * level) + 1] = level switch
            {
                1 => leaf,
                2 when profile.Capabilities.SecondStage2M => leaf | Bits64.Mask(20, 12),
                3 when profile.Capabilities.SecondStage1G => leaf | Bits64.Mask(29, 12),
                _ => always | snoop | size,
            };
        }

        return masks;
    }
}
