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
        ulong tables = OfTables(profile);
        ulong[] pages = OfPages(profile);

        // PS is ignored at level 1: an entry there is always a page.
        return [0, 0, pages[1], pages[1], .. Enumerable.Range(2, 4).SelectMany(level => new[] { tables, pages[level] })];
    }

    /// <summary>The reserved bits of an entry that leads to a table.</summary>
    public static ulong OfTables(HardwareProfile profile) => Always(profile) | Bits64.Mask(Snoop, Snoop);

    /// <summary>The reserved bits of an entry that is a page, by level; PS itself where there is no page of that size.</summary>
    public static ulong[] OfPages(HardwareProfile profile)
    {
        ulong small = Always(profile) | (profile.ExtendedCapabilities.SnoopControl ? 0 : Bits64.Mask(Snoop, Snoop));
        ulong none = OfTables(profile) | Bits64.Mask(PageSize, PageSize);
        return
        [
            0,
            small,
            profile.Capabilities.SecondStage2M ? small | Bits64.Mask(20, 12) : none,
            profile.Capabilities.SecondStage1G ? small | Bits64.Mask(29, 12) : none,
            none,
            none,
        ];
    }

    private static ulong Always(HardwareProfile profile)
    {
        ulong beyondHost = profile.HostAddressWidth < 52 ? Bits64.Mask(51, profile.HostAddressWidth) : 0;
        return beyondHost | Bits64.Mask(TransientMapping, TransientMapping);
    }
}
