using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Which bits of first-stage entries are reserved on a unit.</summary>
internal static class FirstStageReservedBits
{
    private const int PageSize = 7;
    private const int ExecuteDisable = 63;

    /// <summary>The masks of levels 1 to 5: those of level n are at 2n where bit 7 is clear, at 2n + 1 where it is set.</summary>
    /// <param name="profile">The unit.</param>
    /// <param name="noExecute">NXE of the PASID entry: whether XD has a meaning.</param>
    public static ulong[] Of(HardwareProfile profile, bool noExecute)
    {
        ulong always = (profile.HostAddressWidth < 52 ? Bits64.Mask(51, profile.HostAddressWidth) : 0)
            | (noExecute ? 0 : Bits64.Mask(ExecuteDisable, ExecuteDisable));
        ulong size = Bits64.Mask(PageSize, PageSize);

        ulong[] masks = new ulong[12];
        for (int level = 1; level <= 5; level++)
        {
            // Without PS: a table pointer, but a page at level 1, where bit 7 is PAT.
            masks[2 * level] = always;

            // With PS: a page, in which bit 12 is PAT; 2 MiB is mandatory; above level 3 PS itself is reserved.
            masks[(2 * level) + 1] = level switch
            {
                1 => always,
                2 => always | Bits64.Mask(20, 13),
                3 when profile.Capabilities.FirstStage1G => always | Bits64.Mask(29, 13),
                _ => always | size,
            };
        }

        return masks;
    }
}
