using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>The tables of scalable mode: root halves, context tables, and the PASID tables of each requester.</summary>
/// <remarks>
/// What legacy mode says of a requester in one entry stands here in the entry of PASID 0, which requests without PASID
/// use (RID_PASID): so a domain is attached the same way in both modes. PASIDs from 1 on are for processes.
/// </remarks>
internal sealed class ScalableContexts : IContextTables
{
    private const int RootEntryBytes = 16;
    private const int EntryBytes = 32;
    private const int HalfBytes = 8;
    private const int Halves = 256 * 2;

    private readonly TableMemory _memory;
    private readonly UnitCapabilities _unit;
    private readonly int _pasidBits;
    private readonly GuestPhysicalAddress _root;
    private readonly Dictionary<SourceId, PasidTables> _pasids = [];

    private ScalableContexts(TableMemory memory, UnitCapabilities unit, int pasidBits, GuestPhysicalAddress root) =>
        (_memory, _unit, _pasidBits, _root) = (memory, unit, pasidBits, root);

    public RootTableAddress Root => new() { Mode = TranslationTableMode.Scalable, Table = TableMemory.ForUnit(_root) };

    /// <summary>An empty root table; null when no frame is left.</summary>
    public static ScalableContexts? TryCreate(TableMemory memory, UnitCapabilities unit, int pasidBits) =>
        memory.TryAllocate(out GuestPhysicalAddress root) ? new(memory, unit, pasidBits, root) : null;

    public bool TrySet(SourceId source, RequesterEntry entry, out bool isNewBus)
    {
        GuestPhysicalAddress half = HalfOf(source);
        isNewBus = !TryFindTable(half, out GuestPhysicalAddress table);
        if (PasidTables.TryCreate(_memory, _pasidBits) is not { } pasids)
            return false;
        _pasids.Add(source, pasids);
        if (!pasids.TrySet(default, EntryOfRequests(entry)) || (isNewBus && !TryAddTable(half, out table)))
        {
            Release(source);
            return false;
        }

        ScalableContextEntry context = new()
        {
            Present = true,
            DeviceTlbEnabled = entry.TranslatesItself,
            PasidEnabled = _unit.Extended.ProcessAddressSpaces,
            PasidDirectorySize = pasids.SizeCode,
            PasidDirectory = TableMemory.ForUnit(pasids.Directory),
        };
        _memory.WriteEntry(EntryPlace(table, source), context.Raw);
        return true;
    }

    /// <summary>The PASID tables of a requester that is attached.</summary>
    public PasidTables PasidsOf(SourceId source) =>
        _pasids.TryGetValue(source, out PasidTables? pasids) ? pasids : throw new InvalidOperationException($"The requester {source} is not attached.");

    /// <summary>Lets a requester that is attached ask for pages, or no longer (PRE).</summary>
    public void SetPageRequests(SourceId source, bool enabled)
    {
        // All flags are in the first word of the entry.
        _ = TryFindTable(HalfOf(source), out GuestPhysicalAddress table);
        GuestPhysicalAddress place = EntryPlace(table, source);
        ScalableContextEntry context = new(new(_memory.Read64(place), 0, 0, 0));
        _memory.Write64(place, (context with { PageRequestsEnabled = enabled }).Raw.Word0);
    }

    /// <summary>Lets the second stage of a requester keep accessed and dirty bits, or no longer (SSADE).</summary>
    /// <returns><c>false</c> where it is not attached.</returns>
    public bool TrySetDirtyBits(SourceId source, bool enabled)
    {
        if (!_pasids.TryGetValue(source, out PasidTables? pasids))
            return false;
        pasids.ChangeFlags(default, pasids.Find(default) with { SecondStageAccessedDirty = enabled });
        return true;
    }

    /// <summary>Lets the requests without PASID of a requester meet another entry.</summary>
    /// <returns><c>false</c> where it is not attached.</returns>
    public bool TryReplaceRequests(SourceId source, PasidTableEntry entry)
    {
        if (!_pasids.TryGetValue(source, out PasidTables? pasids))
            return false;
        pasids.Replace(default, entry);
        return true;
    }

    /// <summary>The entry by which requests reach what is mapped in a domain.</summary>
    public PasidTableEntry EntryOf(RemappingDomain domain)
    {
        PasidTableEntry entry = new() { Present = true, DomainId = domain.Id, PageWalkSnoop = _unit.Extended.ScalableWalkCoherency };
        return domain.Stage == TranslationStage.Second
            ? entry with
            {
                TranslationType = PasidTranslationType.SecondStage,
                SecondStageTable = TableMemory.ForUnit(domain.Root),
                AddressWidth = domain.Width,
                SecondStageAccessedDirty = domain.HasDirtyBits,
            }
            : entry with
            {
                TranslationType = PasidTranslationType.FirstStage,
                FirstStageTable = TableMemory.ForUnit(domain.Root),
                PagingMode = domain.Width == AddressWidth.Bits57 ? FirstStagePagingMode.FiveLevel : FirstStagePagingMode.FourLevel,
            };
    }

    public void Clear(SourceId source)
    {
        if (TryFindTable(HalfOf(source), out GuestPhysicalAddress table))
            _memory.WriteEntry(EntryPlace(table, source), default(Bits256));
    }

    public void Release(SourceId source)
    {
        if (_pasids.Remove(source, out PasidTables? pasids))
            pasids.Free();
    }

    public void Free()
    {
        foreach (PasidTables pasids in _pasids.Values)
            pasids.Free();
        _pasids.Clear();
        for (int half = 0; half < Halves; half++)
        {
            if (TryFindTable(_root + (ulong)(half * HalfBytes), out GuestPhysicalAddress table))
                _memory.Free(table);
        }

        _memory.Free(_root);
    }

    private PasidTableEntry EntryOfRequests(RequesterEntry entry)
    {
        if (entry.Space is { } domain)
            return EntryOf(domain);
        return new()
        {
            Present = true,
            TranslationType = PasidTranslationType.PassThrough,
            DomainId = entry.Domain,
            PageWalkSnoop = _unit.Extended.ScalableWalkCoherency,
        };
    }

    // Bits 127:64 of a root entry are for devices 16 to 31 what bits 63:0 are for the others.
    private GuestPhysicalAddress HalfOf(SourceId source) =>
        _root + (ulong)((source.Bus * RootEntryBytes) + (source.DeviceFunction >= 0x80 ? HalfBytes : 0));

    private static GuestPhysicalAddress EntryPlace(GuestPhysicalAddress table, SourceId source) =>
        table + (ulong)((source.DeviceFunction & 0x7F) * EntryBytes);

    private bool TryAddTable(GuestPhysicalAddress half, out GuestPhysicalAddress table)
    {
        if (!_memory.TryAllocate(out table))
            return false;
        _memory.WriteLink(half, new ScalableRootEntry { LowerPresent = true, LowerContextTable = TableMemory.ForUnit(table) }.Raw.Word0, table);
        return true;
    }

    private bool TryFindTable(GuestPhysicalAddress half, out GuestPhysicalAddress table)
    {
        ScalableRootEntry root = new(new(_memory.Read64(half), 0));
        table = TableMemory.FromUnit(root.LowerContextTable);
        return root.LowerPresent;
    }
}
