using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>The root table of a unit and the context tables below it: which requester belongs to which domain.</summary>
/// <remarks>It writes entries; what must be invalidated afterwards is up to the caller. A context table stays until the end, since its bus is likely to be used again.</remarks>
internal sealed class ContextTables
{
    private const int EntryBytes = 16;
    private const int Buses = 256;

    private readonly TableMemory _memory;

    private ContextTables(TableMemory memory, GuestPhysicalAddress root)
    {
        _memory = memory;
        Root = root;
    }

    /// <summary>The root table.</summary>
    public GuestPhysicalAddress Root { get; }

    /// <summary>An empty root table; null when no frame is left.</summary>
    public static ContextTables? TryCreate(TableMemory memory) =>
        memory.TryAllocate(out GuestPhysicalAddress root) ? new(memory, root) : null;

    /// <summary>Puts an entry in place of one that is not present.</summary>
    /// <param name="source">Whose entry.</param>
    /// <param name="entry">A present entry.</param>
    /// <param name="isNewBus">Whether the root entry became present too.</param>
    /// <returns><c>false</c>, and nothing changed, when no frame is left for the context table of the bus.</returns>
    public bool TrySet(SourceId source, ContextEntry entry, out bool isNewBus)
    {
        GuestPhysicalAddress rootEntry = Root + (ulong)(source.Bus * EntryBytes);
        RootEntry root = new(_memory.Read128(rootEntry));
        isNewBus = !root.Present;
        if (isNewBus)
        {
            if (!_memory.TryAllocate(out GuestPhysicalAddress table))
                return false;
            root = new() { Present = true, ContextTable = TableMemory.ForUnit(table) };
            _memory.WriteEntry(rootEntry, root.Raw);
        }

        _memory.WriteEntry(EntryAddress(root, source), entry.Raw);
        return true;
    }

    /// <summary>Makes an entry not present.</summary>
    public void Clear(SourceId source)
    {
        RootEntry root = new(_memory.Read128(Root + (ulong)(source.Bus * EntryBytes)));
        if (root.Present)
            _memory.WriteEntry(EntryAddress(root, source), default);
    }

    /// <summary>Gives all tables back; the unit must not use them any more.</summary>
    public void Free()
    {
        for (int bus = 0; bus < Buses; bus++)
        {
            RootEntry root = new(_memory.Read128(Root + (ulong)(bus * EntryBytes)));
            if (root.Present)
                _memory.Free(TableMemory.FromUnit(root.ContextTable));
        }

        _memory.Free(Root);
    }

    private static GuestPhysicalAddress EntryAddress(RootEntry root, SourceId source) =>
        TableMemory.FromUnit(root.ContextTable) + (ulong)(source.DeviceFunction * EntryBytes);
}
