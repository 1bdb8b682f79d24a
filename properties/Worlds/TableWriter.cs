using Dma.Machine;

namespace Dma.Properties;

/// <summary>Writes paging tables of either stage into memory, entry by entry, without the types that hardware reads them with.</summary>
internal sealed class TableWriter(PhysicalMemory memory, ulong firstFree)
{
    private readonly List<ulong> _pages = [];

    /// <summary>Where the next table goes.</summary>
    public ulong Free => firstFree + ((ulong)_pages.Count * 4096);

    /// <summary>An empty page.</summary>
    public ulong NewPage()
    {
        _pages.Add(Free);
        return _pages[^1];
    }

    /// <summary>Writes a quadword.</summary>
    public void Put(ulong address, ulong value) => Assert.True(memory.TryWrite(new(address), value));

    /// <summary>Reads a quadword.</summary>
    public ulong Get(ulong address)
    {
        Assert.True(memory.TryRead(new(address), out ulong value));
        return value;
    }

    /// <summary>Maps a page.</summary>
    /// <param name="root">The top table.</param>
    /// <param name="levels">How many levels.</param>
    /// <param name="address">The address to be translated.</param>
    /// <param name="leaf">The entry that maps it, whole.</param>
    /// <param name="leafLevel">1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB.</param>
    /// <param name="pointerFlags">The flags of entries that lead to it.</param>
    /// <param name="place">Where tables are for the stage that reads them, of their place in memory.</param>
    /// <returns>Where the entry is.</returns>
    public ulong Map(ulong root, int levels, ulong address, ulong leaf, int leafLevel, ulong pointerFlags, Func<ulong, ulong>? place = null)
    {
        ulong table = root;
        for (int level = levels; ; level--)
        {
            ulong at = table + (((address >> (12 + (9 * (level - 1)))) & 0x1FF) * 8);
            if (level == leafLevel)
            {
                Put(at, leaf);
                return at;
            }

            ulong entry = Get(at);
            if (entry == 0)
            {
                ulong page = NewPage();
                Put(at, (place?.Invoke(page) ?? page) | pointerFlags);
                table = page;
            }
            else
            {
                ulong pointer = entry & 0x000F_FFFF_FFFF_F000;
                table = place is null ? pointer : _pages.Find(page => place(page) == pointer);
            }
        }
    }
}
