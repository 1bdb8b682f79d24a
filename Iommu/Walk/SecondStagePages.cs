using System.Runtime.InteropServices;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Reads the pages that second-stage tables map in a range of addresses, by the rules of a unit and in order.</summary>
/// <remarks>
/// Tables may be anything, also cyclic: how many are read, and how many pages are told, is bounded. What lies behind the
/// bound counts as not mapped.
/// </remarks>
/// <param name="memory">Where the tables are.</param>
/// <param name="profile">The unit whose rules hold.</param>
public sealed class SecondStagePages(PhysicalMemory memory, HardwareProfile profile)
{
    private const ulong AddressMask = 0x000F_FFFF_FFFF_F000;
    private const int EntriesPerTable = 512;

    private readonly ulong[] _reserved = SecondStageReservedBits.Of(profile);
    private readonly ulong[][] _tables = [.. Enumerable.Range(0, 6).Select(_ => new ulong[EntriesPerTable])];
    private ulong _first;
    private ulong _end;
    private int _tablesLeft;
    private int _pagesMax;
    private List<SecondStagePage> _pages = [];

    /// <summary>Reads pages that lie in a range, or reach into it.</summary>
    /// <param name="route">A requester's way to its tables.</param>
    /// <param name="first">The first address.</param>
    /// <param name="end">The end of the range.</param>
    /// <param name="tablesMax">How many tables to read at most.</param>
    /// <param name="pagesMax">How many pages to tell of at most.</param>
    /// <returns>The pages, lowest address first, each with the rights that all entries on the way grant.</returns>
    public IReadOnlyList<SecondStagePage> Read(in RequesterRoute route, ulong first, ulong end, int tablesMax, int pagesMax)
    {
        // Beyond 2^min(MGAW, AGAW) nothing is translated.
        ulong limit = 1ul << Math.Min(profile.Capabilities.MaximumWidthCode + 1, 12 + (9 * route.Levels));
        (_first, _end, _tablesLeft, _pagesMax, _pages) = (first, Math.Min(end, limit), tablesMax, pagesMax, []);
        Visit(route.Table.Value, route.Levels, 0, Translation.Read | Translation.Write);
        return _pages;
    }

    private void Visit(ulong table, int level, ulong address, ulong rights)
    {
        ulong[] entries = _tables[level];
        if (--_tablesLeft < 0 || !memory.TryRead(new(table), MemoryMarshal.AsBytes(entries.AsSpan())))
            return;
        int shift = 12 + (9 * (level - 1));
        ulong span = 1ul << shift;
        for (ulong slot = _first > address ? (_first - address) >> shift : 0; slot < EntriesPerTable; slot++)
        {
            ulong at = address + (slot << shift);
            if (at >= _end || _pages.Count >= _pagesMax || _tablesLeft < 0)
                return;
            ulong entry = entries[slot];
            ulong granted = rights & entry;

            // Present, no reserved bit, and some right left: the rest is a fault whatever lies below.
            if ((entry & (Translation.Read | Translation.Write)) == 0 || (entry & _reserved[(2 * level) + (int)((entry >> 7) & 1)]) != 0 || granted == 0)
                continue;
            if (level == 1 || (entry & 0x80) != 0)
                _pages.Add(new(new(at), span, new(entry & AddressMask & ~(span - 1)), (granted & Translation.Read) != 0, (granted & Translation.Write) != 0));
            else
                Visit(entry & AddressMask, level - 1, at, granted);
        }
    }
}
