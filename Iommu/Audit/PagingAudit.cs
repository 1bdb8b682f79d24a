using System.Runtime.InteropServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Walks all that the paging tables of a domain map, in the order of addresses.</summary>
/// <remarks>
/// A table is scanned once for each level and set of rights under which it is reached. Where it is reached again,
/// its pages are counted from memory, and scanned again only while runs are still listed: tables that point at
/// themselves or at each other cost what their number costs, not what their paths cost.
/// </remarks>
internal sealed class PagingAudit
{
    private const ulong FrameMask = 0x000F_FFFF_FFFF_F000;
    private const byte AllRights = (byte)(MappingRights.Read | MappingRights.Write | MappingRights.Execute | MappingRights.User);

    private readonly PhysicalMemory _memory;
    private readonly AuditRequest _request;
    private readonly AuditLog _log;
    private readonly RunCollector _runs;
    private readonly ulong[]?[] _tables = new ulong[6][];
    private readonly ulong[] _secondStageReserved;
    private readonly HashSet<ulong> _collected = [];

    private Dictionary<ulong, Pages> _known = [];
    private AuditedDomain _domain = new(default);
    private NestedStage? _second;
    private ulong[] _reserved = [];
    private PagingFaults _faults;
    private ulong _limit;
    private ulong _pieces;
    private int _visited;

    public PagingAudit(PhysicalMemory memory, AuditRequest request, AuditLog log, RunCollector runs)
    {
        _memory = memory;
        _request = request;
        _log = log;
        _runs = runs;
        _secondStageReserved = SecondStageReservedBits.Of(request.Profile);
    }

    /// <summary>Notes the pages in which the tables of a domain lie. Where translation is nested the first stage is the guest's own and not among them.</summary>
    public void CollectTables(AuditedTables tables, TablePages pages)
    {
        if (tables.Stage == PasidTranslationType.FirstStage)
            Collect<FirstStageFormat>(tables.Root.Value, tables.Levels, FirstStageReservedBits.Of(_request.Profile, tables.NoExecute), pages);
        else if (tables.Stage == PasidTranslationType.Nested)
            Collect<SecondStageFormat>(tables.SecondRoot.Value, tables.SecondLevels, _secondStageReserved, pages);
        else
            Collect<SecondStageFormat>(tables.Root.Value, tables.Levels, _secondStageReserved, pages);
    }

    /// <summary>Walks a domain.</summary>
    /// <param name="domain">The domain, whose pages have not been counted yet.</param>
    /// <param name="number">Its number as an owner of frames.</param>
    public void Walk(AuditedDomain domain, int number)
    {
        AuditedTables tables = domain.Tables;
        _domain = domain;
        _known = [];
        _faults = PagingFaults.Of(_request.Mode, tables.Stage);
        _runs.Begin(domain, number);
        if (tables.Stage == PasidTranslationType.SecondStage)
        {
            _second = null;
            _reserved = _secondStageReserved;
            _limit = InputLimit(tables.Levels);
            Visit<SecondStageFormat>(tables.Root.Value, tables.Levels, 0, (byte)(MappingRights.Read | MappingRights.Write), false);
        }
        else
        {
            _second = tables.Stage == PasidTranslationType.Nested
                ? new NestedStage(_memory, tables, _secondStageReserved, InputLimit(tables.SecondLevels))
                : null;
            _reserved = FirstStageReservedBits.Of(_request.Profile, tables.NoExecute);
            _limit = ulong.MaxValue;
            if (Locate(tables.Root.Value, tables.Levels, new(tables.Root.Value), 0, 0, isTop: true) is { } table)
                Visit<FirstStageFormat>(table, tables.Levels, 0, AllRights, false);
        }

        _runs.Close();
    }

    // The first address that the second stage does not translate: 2^min(MGAW, AGAW).
    private ulong InputLimit(int levels) =>
        1ul << Math.Min(_request.Profile.Capabilities.MaximumWidthCode + 1, 12 + (9 * levels));

    private void Collect<TFormat>(ulong table, int level, ulong[] reserved, TablePages pages)
        where TFormat : struct, IPagingFormat
    {
        if (!_collected.Add(table | (uint)level | ((ulong)TFormat.Structure << 4)) || !_memory.IsBacked(new(table), 4096))
            return;
        pages.Add(new(table), TFormat.Structure);
        ulong[] entries = _tables[level] ??= new ulong[512];
        if (level == 1 || !_log.TakePage() || !_memory.TryRead(new(table), MemoryMarshal.AsBytes(entries.AsSpan())))
            return;
        foreach (ulong entry in entries)
        {
            if (TFormat.IsPresent(entry) && !IsLeaf(entry, level) && (entry & reserved[Kind(entry, level)]) == 0)
                Collect<TFormat>(entry & FrameMask, level - 1, reserved, pages);
        }
    }

    private void Visit<TFormat>(ulong table, int level, ulong address, byte rights, bool again)
        where TFormat : struct, IPagingFormat
    {
        ulong key = table | (uint)level | ((ulong)rights << 4);
        if (_known.TryGetValue(key, out Pages known))
        {
            if (!again)
                Count(known);
            if (known.Total == 0)
                return;
            if (_runs.Lists && _log.TakePage())
            {
                Scan<TFormat>(table, level, address, rights, true);
                return;
            }

            _runs.Close();
            _domain.RunsTruncated = true;
            return;
        }

        if (!_log.TakePage())
            return;
        if ((++_visited & 0xFFF) == 0)
            _request.Progress?.Invoke((ulong)_visited, (ulong)Math.Max(_visited, _collected.Count));
        Pages before = Counted;
        Scan<TFormat>(table, level, address, rights, false);
        Pages after = Counted;
        _known.Add(key, new(after.Of4K - before.Of4K, after.Of2M - before.Of2M, after.Of1G - before.Of1G));
    }

    // One table: pages to the collector, pointers to the next level.
    private void Scan<TFormat>(ulong table, int level, ulong address, byte rights, bool again)
        where TFormat : struct, IPagingFormat
    {
        ulong[] entries = _tables[level] ??= new ulong[512];
        if (!_memory.TryRead(new(table), MemoryMarshal.AsBytes(entries.AsSpan())))
            return;
        if (level == 1 && _second is null)
            _runs.Expect(entries);
        int shift = 12 + (9 * (level - 1));
        for (int slot = 0; slot < entries.Length; slot++)
        {
            ulong entry = entries[slot];
            if (!TFormat.IsPresent(entry))
                continue;
            ulong at = AddressOf<TFormat>(address, slot, shift, level);
            if (at >= _limit && _limit != ulong.MaxValue)
                break;
            PhysicalAddress where = new(table + ((ulong)slot * 8));
            if ((entry & _reserved[Kind(entry, level)]) != 0)
            {
                Report<TFormat>(level, where, entry, _faults.Reserved, at, again);
                continue;
            }

            byte granted = (byte)(rights & TFormat.Rights(entry));
            if ((granted & (byte)(MappingRights.Read | MappingRights.Write)) == 0)
                continue;
            if (IsLeaf(entry, level))
                AddPage<TFormat>(entry, level, shift, where, at, granted, again);
            else if (Locate(entry & FrameMask, level - 1, where, entry, at, isTop: false, again, TFormat.Structure) is { } next)
                Visit<TFormat>(next, level - 1, at, granted, again);
        }
    }

    private void AddPage<TFormat>(ulong entry, int level, int shift, PhysicalAddress where, ulong at, byte granted, bool again)
        where TFormat : struct, IPagingFormat
    {
        ulong size = 1ul << shift;
        ulong target = entry & FrameMask & ~(size - 1);
        if (_second is { } second)
        {
            AddNested(second, entry, level, where, at, target, size, shift, granted, again);
            return;
        }

        if (target <= InterruptRange.Last && target + size > InterruptRange.First)
            Report<TFormat>(level, where, entry, _faults.Output, at, again);
        if (!again)
            Count(level);
        _runs.Add(at, target, size, shift, granted);
    }

    // A page of the first stage is as many pieces as the second stage makes of it.
    private void AddNested(NestedStage second, ulong entry, int level, PhysicalAddress where, ulong at, ulong target, ulong size, int shift, byte granted, bool again)
    {
        for (ulong done = 0; done < size;)
        {
            NestedStage.Answer answer = second.Translate(target + done);
            ulong block = 1ul << answer.Shift;
            ulong piece = Math.Min(size - done, block - ((target + done) & (block - 1)));
            if (++_pieces % 512 == 0 && !_log.TakePage())
                return;
            byte both = (byte)(granted & (answer.Rights | (byte)(MappingRights.Execute | MappingRights.User)));
            if (answer.Fault != FaultReason.None)
            {
                Report<FirstStageFormat>(level, where, entry, answer.Fault, at + done, again);
            }
            else if ((both & (byte)(MappingRights.Read | MappingRights.Write)) != 0)
            {
                if (answer.Target <= InterruptRange.Last && answer.Target + piece > InterruptRange.First)
                    Report<FirstStageFormat>(level, where, entry, _faults.Output, at + done, again);
                int pageShift = Math.Min(shift, answer.Shift);
                if (!again)
                    Count((pageShift - 3) / 9);
                _runs.Add(at + done, answer.Target, piece, pageShift, both);
            }

            done += piece;
        }
    }

    // Where a table is in memory; null, and reported, where it cannot be read.
    private ulong? Locate(ulong pointer, int level, PhysicalAddress where, ulong entry, ulong at, bool isTop, bool again = false, AuditStructure structure = AuditStructure.FirstStage)
    {
        FaultReason fault = FaultReason.None;
        ulong table = pointer;
        if (_second is { } second)
        {
            NestedStage.Answer answer = second.Translate(pointer);
            table = answer.Target;
            fault = answer.Fault;
            if (fault == FaultReason.ScalableAddressBeyondWidth)
                fault = FaultReason.NestedTableBeyondWidth;
            else if (fault == FaultReason.None && (answer.Rights & (byte)MappingRights.Read) == 0)
                fault = isTop ? FaultReason.NestedTopTableNotReadable : FaultReason.NestedTableNotReadable;
        }

        if (fault == FaultReason.None)
        {
            if (_memory.IsBacked(new(table), 4096))
                return table;
            fault = isTop ? _faults.TopAccess : _faults.Access;
        }

        if (!again)
            _log.AddFault(new(structure, isTop ? level : level + 1, where, entry, fault, _domain, new(at)));
        return null;
    }

    private void Report<TFormat>(int level, PhysicalAddress where, ulong entry, FaultReason reason, ulong at, bool again)
        where TFormat : struct, IPagingFormat
    {
        if (!again)
            _log.AddFault(new(TFormat.Structure, level, where, entry, reason, _domain, new(at)));
    }

    private ulong AddressOf<TFormat>(ulong address, int slot, int shift, int level)
        where TFormat : struct, IPagingFormat
    {
        ulong at = address | ((ulong)slot << shift);

        // First-stage addresses are canonical: the upper half of the top table is the upper half of 64 bits.
        return TFormat.Structure == AuditStructure.FirstStage && level == _domain.Tables.Levels && slot >= 256
            ? at | (ulong.MaxValue << (shift + 9))
            : at;
    }

    private static bool IsLeaf(ulong entry, int level) => level == 1 || (entry & 0x80) != 0;

    private static int Kind(ulong entry, int level) => (2 * level) + (int)((entry >> 7) & 1);

    private void Count(int level)
    {
        if (level == 1)
            _domain.Pages4K++;
        else if (level == 2)
            _domain.Pages2M++;
        else
            _domain.Pages1G++;
    }

    private void Count(Pages pages)
    {
        _domain.Pages4K += pages.Of4K;
        _domain.Pages2M += pages.Of2M;
        _domain.Pages1G += pages.Of1G;
    }

    private Pages Counted => new(_domain.Pages4K, _domain.Pages2M, _domain.Pages1G);

    private readonly record struct Pages(ulong Of4K, ulong Of2M, ulong Of1G)
    {
        public ulong Total => Of4K + Of2M + Of1G;
    }
}
