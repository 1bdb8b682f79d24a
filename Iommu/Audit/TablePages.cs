using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The pages in which tables lie, and what kind of table lies in each.</summary>
internal sealed class TablePages
{
    private readonly Dictionary<ulong, AuditStructure> _pages = [];

    public int Count => _pages.Count;

    public IEnumerable<ulong> Pages => _pages.Keys;

    /// <summary>What lies in a page that holds a table; the structure nearest to the root, where it holds several.</summary>
    public AuditStructure this[ulong page] => _pages[page];

    public void Add(PhysicalAddress table, AuditStructure structure, int bytes = 4096)
    {
        for (ulong page = table.Page; page <= (table.Value + (ulong)bytes - 1) >> 12; page++)
        {
            if (!_pages.TryGetValue(page, out AuditStructure known) || structure < known)
                _pages[page] = structure;
        }
    }
}
