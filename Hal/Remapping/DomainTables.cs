using Dma.Machine;

namespace Dma.Hal;

/// <summary>The page tables of one domain, as bytes in memory.</summary>
/// <remarks>
/// <code>
/// bits 56:48     47:39      38:30    29:21    20:12    11:0
/// +---------+----------+---------+--------+--------+--------+
/// | level 5 |  level 4 | level 3 |    2   |    1   | offset |   an entry spans 256 TiB, 512 GiB, 1 GiB, 2 MiB, 4 KiB
/// +---------+----------+---------+--------+--------+--------+
/// </code>
/// Ranges are half open and in whole pages. Nothing here talks to the unit: a table that became empty is cut off at
/// once, but kept aside until the caller has invalidated and says so with <see cref="ReleaseRetired"/>.
/// </remarks>
internal sealed class DomainTables
{
    private const int PageBits = 12;
    private const int IndexBits = 9;
    private const int EntriesPerTable = 1 << IndexBits;
    private const int EntryBytes = 8;

    private readonly TableMemory _memory;
    private readonly PageFormat _format;
    private readonly List<GuestPhysicalAddress> _retired = [];
    private readonly int _levels;

    private DomainTables(TableMemory memory, PageFormat format, int levels, GuestPhysicalAddress root)
    {
        _memory = memory;
        _format = format;
        _levels = levels;
        Root = root;
    }

    /// <summary>The top table.</summary>
    public GuestPhysicalAddress Root { get; }

    /// <summary>Who keeps books of what devices wrote; null for nobody.</summary>
    public WriteLog? Log { get; set; }

    /// <summary>Empty tables; null when no frame is left.</summary>
    public static DomainTables? TryCreate(TableMemory memory, PageFormat format, int levels) =>
        memory.TryAllocate(out GuestPhysicalAddress root) ? new(memory, format, levels, root) : null;

    /// <summary>What is behind an address.</summary>
    /// <returns><c>false</c> where nothing is mapped.</returns>
    public bool TryFind(ulong address, out RemappingLeaf mapping)
    {
        GuestPhysicalAddress table = Root;
        for (int level = _levels; ; level--)
        {
            ulong entry = Read(Place(table, level, address));
            mapping = default;
            if (!_format.IsPresent(entry))
                return false;
            if (_format.IsLeaf(entry, level))
            {
                ulong size = SpanOf(level);
                mapping = new(TableOf(entry) + (address % size), size, _format.DirectionOf(entry));
                return true;
            }

            table = TableOf(entry);
        }
    }

    /// <summary>Whether every page of a range is mapped.</summary>
    public bool AllMapped(ulong first, ulong end) => AllMapped(Root, _levels, first, end);

    /// <summary>Whether some page of a range is mapped.</summary>
    public bool AnyMapped(ulong first, ulong end) => AnyMapped(Root, _levels, first, end);

    /// <summary>Maps a range, of which nothing is mapped, with the largest pages that alignment and the unit allow.</summary>
    /// <param name="first">The first device address.</param>
    /// <param name="end">The end of the range.</param>
    /// <param name="target">The memory behind it.</param>
    /// <param name="direction">What devices may do.</param>
    /// <param name="change">Learns what became present.</param>
    /// <returns><c>false</c> when frames ran out; part of the range may be mapped then.</returns>
    public bool TryFill(ulong first, ulong end, ulong target, DmaDirection direction, TableChange change)
    {
        change.Include(first, end);
        return TryFill(Root, _levels, first, end, target, direction, change);
    }

    /// <summary>Sees to it that no superpage lies across an address, by putting a table with the same translations in its place.</summary>
    /// <returns><c>false</c> when frames ran out; all translations are as before.</returns>
    public bool TrySplit(ulong address, TableChange change)
    {
        GuestPhysicalAddress table = Root;
        for (int level = _levels; address % SpanOf(level) != 0; level--)
        {
            GuestPhysicalAddress place = Place(table, level, address);
            ulong entry = Read(place);
            if (!_format.IsPresent(entry))
                return true;
            if (_format.IsLeaf(entry, level))
            {
                if (!_memory.TryAllocate(out GuestPhysicalAddress smaller))
                    return false;
                FillFrom(smaller, level - 1, entry);
                entry = _format.PointerTo(smaller);
                _memory.WriteLink(place, entry, smaller);

                // A cached superpage must go as a whole, wherever in it the next change will be.
                ulong start = address - (address % SpanOf(level));
                change.Include(start, start + SpanOf(level));
                change.IncludeTable(start, start + SpanOf(level));
            }

            table = TableOf(entry);
        }

        return true;
    }

    /// <summary>Unmaps what is mapped in a range whose ends no superpage crosses, and cuts off tables that became empty.</summary>
    /// <param name="first">The first device address.</param>
    /// <param name="end">The end of the range.</param>
    /// <param name="change">Learns what changed.</param>
    /// <param name="keepsTables">Whether tables that became empty stay until they are trimmed.</param>
    public void Clear(ulong first, ulong end, TableChange change, bool keepsTables = false)
    {
        change.Include(first, end);
        Clear(Root, _levels, first, end, change, keepsTables);
    }

    /// <summary>Cuts off the empty tables of a range.</summary>
    public void Trim(ulong first, ulong end, TableChange change) => Trim(Root, _levels, first, end, change);

    /// <summary>Lets mapped addresses lead elsewhere, or with other rights, each by one write: none of them is ever not mapped.</summary>
    /// <param name="first">The first device address; no superpage crosses it.</param>
    /// <param name="end">The end of the range, all of which is mapped; no superpage crosses it.</param>
    /// <param name="target">The memory behind it.</param>
    /// <param name="direction">What devices may do.</param>
    /// <param name="change">Learns what changed.</param>
    /// <returns><c>false</c> when frames ran out; part of the range may lead elsewhere then.</returns>
    public bool TryReplace(ulong first, ulong end, ulong target, DmaDirection direction, TableChange change)
    {
        change.Include(first, end);
        for (ulong at = first; at < end;)
        {
            GuestPhysicalAddress place = PlaceOfLeaf(at, out int level);
            ulong behind = target + (at - first);

            // A superpage stays one where the new memory allows; else it is divided once more.
            if (behind % SpanOf(level) != 0)
            {
                if (!TrySplit(at + SpanOf(level - 1), change))
                    return false;
                continue;
            }

            ulong before = Read(place);
            Write(place, _format.LeafAt(behind, level, direction));
            Log?.See(_format, before, SpanOf(level));
            at += SpanOf(level);
        }

        return true;
    }

    /// <summary>Tells the log of all pages that were written, and begins anew.</summary>
    /// <param name="change">Learns which entries changed.</param>
    public void CollectWrites(TableChange change) => CollectWrites(Log!, Root, _levels, 0, change);

    /// <summary>Gives back the tables that were cut off; the unit must have forgotten them.</summary>
    public void ReleaseRetired()
    {
        foreach (GuestPhysicalAddress table in _retired)
            _memory.Free(table);
        _retired.Clear();
    }

    /// <summary>Gives back all tables, the top one included; the unit must have forgotten them.</summary>
    public void Free()
    {
        ReleaseRetired();
        Free(Root, _levels);
    }

    private static ulong SpanOf(int level) => 1ul << (PageBits + (IndexBits * (level - 1)));

    private static GuestPhysicalAddress Place(GuestPhysicalAddress table, int level, ulong address) =>
        table + (address / SpanOf(level) % EntriesPerTable * EntryBytes);

    // The end of an entry's span, or of the range where that comes first.
    private static ulong NextAfter(ulong address, int level, ulong end) => Math.Min(end, address - (address % SpanOf(level)) + SpanOf(level));

    private GuestPhysicalAddress TableOf(ulong entry) => TableMemory.FromUnit(_format.TargetOf(entry));

    private GuestPhysicalAddress PlaceOfLeaf(ulong address, out int level)
    {
        GuestPhysicalAddress table = Root;
        for (level = _levels; ; level--)
        {
            GuestPhysicalAddress place = Place(table, level, address);
            ulong entry = Read(place);
            if (_format.IsLeaf(entry, level))
                return place;
            table = TableOf(entry);
        }
    }

    private bool AllMapped(GuestPhysicalAddress table, int level, ulong first, ulong end)
    {
        for (ulong at = first; at < end; at = NextAfter(at, level, end))
        {
            ulong entry = Read(Place(table, level, at));
            if (!_format.IsPresent(entry))
                return false;
            if (!_format.IsLeaf(entry, level) && !AllMapped(TableOf(entry), level - 1, at, NextAfter(at, level, end)))
                return false;
        }

        return true;
    }

    private bool AnyMapped(GuestPhysicalAddress table, int level, ulong first, ulong end)
    {
        for (ulong at = first; at < end; at = NextAfter(at, level, end))
        {
            ulong entry = Read(Place(table, level, at));
            if (!_format.IsPresent(entry))
                continue;
            if (_format.IsLeaf(entry, level) || AnyMapped(TableOf(entry), level - 1, at, NextAfter(at, level, end)))
                return true;
        }

        return false;
    }

    private bool TryFill(
        GuestPhysicalAddress table, int level, ulong first, ulong end, ulong target, DmaDirection direction, TableChange change)
    {
        ulong span = SpanOf(level);
        for (ulong at = first; at < end; at = NextAfter(at, level, end))
        {
            ulong next = NextAfter(at, level, end);
            ulong behind = target + (at - first);
            GuestPhysicalAddress place = Place(table, level, at);
            if (next - at == span && level <= _format.LeafLevelMax && behind % span == 0)
            {
                Write(place, _format.LeafAt(behind, level, direction));
                continue;
            }

            ulong entry = Read(place);
            if (!_format.IsPresent(entry))
            {
                if (!_memory.TryAllocate(out GuestPhysicalAddress created))
                    return false;
                entry = _format.PointerTo(created);
                _memory.WriteLink(place, entry, created);
                change.IncludeTable(at - (at % span), at - (at % span) + span);
            }

            if (!TryFill(TableOf(entry), level - 1, at, next, behind, direction, change))
                return false;
        }

        return true;
    }

    private void Clear(GuestPhysicalAddress table, int level, ulong first, ulong end, TableChange change, bool keepsTables)
    {
        for (ulong at = first; at < end; at = NextAfter(at, level, end))
        {
            GuestPhysicalAddress place = Place(table, level, at);
            ulong entry = Read(place);
            if (!_format.IsPresent(entry))
                continue;
            if (_format.IsLeaf(entry, level))
            {
                // In one step with the look at its dirty bit: a unit that has to set it finds no entry any more.
                Write(place, default);
                Log?.See(_format, entry, SpanOf(level));
                continue;
            }

            GuestPhysicalAddress below = TableOf(entry);
            Clear(below, level - 1, at, NextAfter(at, level, end), change, keepsTables);
            if (!keepsTables)
                CutOff(place, below, level, at, change);
        }
    }

    private void Trim(GuestPhysicalAddress table, int level, ulong first, ulong end, TableChange change)
    {
        for (ulong at = first; level > 1 && at < end; at = NextAfter(at, level, end))
        {
            GuestPhysicalAddress place = Place(table, level, at);
            ulong entry = Read(place);
            if (!_format.IsPresent(entry) || _format.IsLeaf(entry, level))
                continue;
            GuestPhysicalAddress below = TableOf(entry);
            Trim(below, level - 1, at, NextAfter(at, level, end), change);
            CutOff(place, below, level, at, change);
        }
    }

    private void CutOff(GuestPhysicalAddress place, GuestPhysicalAddress below, int level, ulong at, TableChange change)
    {
        if (!_memory.IsEmpty(below))
            return;
        Write(place, default);
        _retired.Add(below);
        ulong start = at - (at % SpanOf(level));
        change.IncludeTable(start, start + SpanOf(level));
    }

    private void CollectWrites(WriteLog log, GuestPhysicalAddress table, int level, ulong first, TableChange change)
    {
        for (ulong index = 0; index < EntriesPerTable; index++)
        {
            GuestPhysicalAddress place = table + (index * EntryBytes);
            ulong entry = Read(place);
            ulong at = first + (index * SpanOf(level));
            if (!_format.IsPresent(entry))
                continue;
            if (!_format.IsLeaf(entry, level))
            {
                CollectWrites(log, TableOf(entry), level - 1, at, change);
            }
            else if (log.See(_format, entry, SpanOf(level)) && _format.IsDirty(entry))
            {
                Write(place, _format.Cleaned(entry));
                change.Include(at, at + SpanOf(level));
            }
        }
    }

    private void FillFrom(GuestPhysicalAddress table, int level, ulong larger)
    {
        try
        {
            for (ulong index = 0; index < EntriesPerTable; index++)
                Write(table + (index * EntryBytes), _format.PartOf(larger, _format.TargetOf(larger).Value + (index * SpanOf(level)), level));
        }
        catch
        {
            _memory.Free(table);
            throw;
        }
    }

    private void Free(GuestPhysicalAddress table, int level)
    {
        for (ulong index = 0; level > 1 && index < EntriesPerTable; index++)
        {
            ulong entry = Read(table + (index * EntryBytes));
            if (_format.IsPresent(entry) && !_format.IsLeaf(entry, level))
                Free(TableOf(entry), level - 1);
        }

        _memory.Free(table);
    }

    private ulong Read(GuestPhysicalAddress place) => _memory.Read64(place);

    private void Write(GuestPhysicalAddress place, ulong entry) => _memory.Write64(place, entry);
}
