using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>The PASID directory of one requester and the tables below it: which process has which page tables.</summary>
/// <remarks>
/// <code>
///    19              6 5         0
///   +-----------------+-----------+
///   | directory entry |   entry   |   a directory entry leads to a table of 64 entries of 512 bits
///   +-----------------+-----------+
/// </code>
/// A table is made with its first entry and stays until the requester goes.
/// </remarks>
internal sealed class PasidTables
{
    private const int EntryBytes = 64;
    private const int EntriesPerTable = 64;
    private const int DirectoryEntryBytes = 8;
    private const int DirectoryBitsMin = 7;

    private readonly TableMemory _memory;
    private readonly ulong _frames;

    private PasidTables(TableMemory memory, GuestPhysicalAddress directory, int bits, ulong frames) =>
        (_memory, Directory, Bits, _frames) = (memory, directory, bits, frames);

    /// <summary>The directory.</summary>
    public GuestPhysicalAddress Directory { get; }

    /// <summary>How many bits a PASID has, 13 to 20.</summary>
    public int Bits { get; }

    /// <summary>PDTS of the context entry: the directory has 2^(PDTS + 7) entries.</summary>
    public int SizeCode => Bits - 6 - DirectoryBitsMin;

    /// <summary>An empty directory; null when no frames are left for it.</summary>
    /// <param name="memory">Where it lies.</param>
    /// <param name="bits">How many bits a PASID has, 13 to 20.</param>
    public static PasidTables? TryCreate(TableMemory memory, int bits)
    {
        ulong frames = Math.Max(1, ((1ul << (bits - 6)) * DirectoryEntryBytes) / FrameAllocator.FrameSize);
        return memory.TryAllocate(frames, out GuestPhysicalAddress directory) ? new(memory, directory, bits, frames) : null;
    }

    /// <summary>Puts an entry in place of one that is not present.</summary>
    /// <returns><c>false</c>, and nothing changed, when no frame is left for its table.</returns>
    public bool TrySet(Pasid pasid, PasidTableEntry entry)
    {
        PasidDirectoryEntry directory = DirectoryEntryOf(pasid);
        if (!directory.Present)
        {
            if (!_memory.TryAllocate(out GuestPhysicalAddress table))
                return false;
            directory = new() { Present = true, PasidTable = TableMemory.ForUnit(table) };
            _memory.WriteLink(DirectoryPlace(pasid), directory.Raw.Value, table);
        }

        _memory.WriteEntry(Place(directory, pasid), entry.Raw);
        return true;
    }

    /// <summary>The entry of a PASID; one that is not present where there never was one.</summary>
    public PasidTableEntry Find(Pasid pasid)
    {
        PasidDirectoryEntry directory = DirectoryEntryOf(pasid);
        return directory.Present ? new(_memory.Read512(Place(directory, pasid))) : default;
    }

    /// <summary>Changes the first word of an entry, in one store; all others stay.</summary>
    public void ChangeFlags(Pasid pasid, PasidTableEntry entry) => _memory.Write64(Place(DirectoryEntryOf(pasid), pasid), entry.Raw.Word0);

    /// <summary>Puts an entry in place of whatever is there; a table for it must exist.</summary>
    /// <remarks>
    /// A unit that reads meanwhile finds one of the two. The first word names the type: what the new type alone uses is
    /// written before it, what the old one alone used after it.
    /// </remarks>
    public void Replace(Pasid pasid, PasidTableEntry entry)
    {
        if (entry.TranslationType != PasidTranslationType.Nested)
            ChangeFlags(pasid, entry with { Present = entry.Present && Find(pasid).Present });
        _memory.WriteEntry(Place(DirectoryEntryOf(pasid), pasid), entry.Raw);
    }

    /// <summary>Makes an entry not present.</summary>
    public void Clear(Pasid pasid)
    {
        PasidDirectoryEntry directory = DirectoryEntryOf(pasid);
        if (directory.Present)
            _memory.WriteEntry(Place(directory, pasid), default(Bits512));
    }

    /// <summary>Gives directory and tables back; the unit must have forgotten them.</summary>
    public void Free()
    {
        for (uint first = 0; first >> Bits == 0; first += EntriesPerTable)
        {
            PasidDirectoryEntry directory = DirectoryEntryOf(new(first));
            if (directory.Present)
                _memory.Free(TableMemory.FromUnit(directory.PasidTable));
        }

        _memory.Free(Directory, _frames);
    }

    private static GuestPhysicalAddress Place(PasidDirectoryEntry directory, Pasid pasid) =>
        TableMemory.FromUnit(directory.PasidTable) + (ulong)(pasid.Value % EntriesPerTable * EntryBytes);

    private GuestPhysicalAddress DirectoryPlace(Pasid pasid) => Directory + (pasid.Value / EntriesPerTable * DirectoryEntryBytes);

    private PasidDirectoryEntry DirectoryEntryOf(Pasid pasid) => new(new(_memory.Read64(DirectoryPlace(pasid))));
}
