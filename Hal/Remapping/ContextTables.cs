using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>The root table of a unit and the context tables below it: which requester belongs to which domain.</summary>
internal sealed class ContextTables : IContextTables
{
    private const int EntryBytes = 16;
    private const int Buses = 256;

    private readonly TableMemory _memory;
    private readonly UnitCapabilities _unit;
    private readonly GuestPhysicalAddress _root;

    private ContextTables(TableMemory memory, UnitCapabilities unit, GuestPhysicalAddress root) => (_memory, _unit, _root) = (memory, unit, root);

    public RootTableAddress Root => new() { Mode = TranslationTableMode.Legacy, Table = TableMemory.ForUnit(_root) };

    /// <summary>An empty root table; null when no frame is left.</summary>
    public static ContextTables? TryCreate(TableMemory memory, UnitCapabilities unit) =>
        memory.TryAllocate(out GuestPhysicalAddress root) ? new(memory, unit, root) : null;

    public bool TrySet(SourceId source, RequesterEntry entry, out bool isNewBus)
    {
        GuestPhysicalAddress rootEntry = _root + (ulong)(source.Bus * EntryBytes);
        RootEntry root = new(_memory.Read128(rootEntry));
        isNewBus = !root.Present;
        if (isNewBus)
        {
            if (!_memory.TryAllocate(out GuestPhysicalAddress table))
                return false;
            root = new() { Present = true, ContextTable = TableMemory.ForUnit(table) };
            _memory.WriteLink(rootEntry, root.Raw, table);
        }

        _memory.WriteEntry(EntryAddress(root, source), EntryOf(entry).Raw);
        return true;
    }

    public void Clear(SourceId source)
    {
        RootEntry root = new(_memory.Read128(_root + (ulong)(source.Bus * EntryBytes)));
        if (root.Present)
            _memory.WriteEntry(EntryAddress(root, source), default(Bits128));
    }

    // A context table stays until the end, since its bus is likely to be used again.
    public void Release(SourceId source)
    {
    }

    public void Free()
    {
        for (int bus = 0; bus < Buses; bus++)
        {
            RootEntry root = new(_memory.Read128(_root + (ulong)(bus * EntryBytes)));
            if (root.Present)
                _memory.Free(TableMemory.FromUnit(root.ContextTable));
        }

        _memory.Free(_root);
    }

    private ContextEntry EntryOf(RequesterEntry entry) => entry.Space is not { } domain
        ? new() { Present = true, TranslationType = TranslationType.PassThrough, AddressWidth = _unit.WidestTables, DomainId = entry.Domain }
        : new()
        {
            Present = true,
            TranslationType = entry.TranslatesItself ? TranslationType.WithDeviceTlb : TranslationType.UntranslatedOnly,
            SecondStageTable = TableMemory.ForUnit(domain.Root),
            AddressWidth = domain.Width,
            DomainId = entry.Domain,
        };

    private static GuestPhysicalAddress EntryAddress(RootEntry root, SourceId source) =>
        TableMemory.FromUnit(root.ContextTable) + (ulong)(source.DeviceFunction * EntryBytes);
}
