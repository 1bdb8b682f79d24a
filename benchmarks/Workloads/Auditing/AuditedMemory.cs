using System.Runtime.InteropServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Workloads;

/// <summary>A memory full of last-level tables, as those of a machine with much memory and busy devices are.</summary>
/// <remarks>
/// Legacy mode, four levels, all 4 KiB pages, in domains of 64 GiB or less. Pages lie side by side in pieces, and the
/// pieces in an order that has nothing to do with that of the addresses: a run for each piece, and frames all over memory.
/// </remarks>
public sealed class AuditedMemory : IDisposable
{
    /// <summary>The root table.</summary>
    public static readonly PhysicalAddress Root = new(0x1000);

    /// <summary>The frame of the first mapped page; all others lie above it.</summary>
    public const ulong FirstFrame = 1ul << 40;

    private const ulong ContextTable = 0x2000;
    private const int TablesOfDomainMax = 1 << 15;
    private const int Entries = 512;
    private const ulong ReadWrite = 3;

    private readonly ulong[] _page = new ulong[Entries];
    private readonly int _pagesOfPiece;
    private readonly ulong _pieceMask;
    private ulong _free = 0x3000;
    private ulong _mapped;

    /// <summary>Writes the tables.</summary>
    /// <param name="tableBytes">How much memory last-level tables take: a power of two, at least 8192.</param>
    /// <param name="pagesOfPiece">How many pages lie side by side: a power of two, 1 to 512.</param>
    public AuditedMemory(ulong tableBytes, int pagesOfPiece)
    {
        int tables = (int)(tableBytes / 4096);
        _pagesOfPiece = pagesOfPiece;
        _pieceMask = ((ulong)tables * Entries / (ulong)pagesOfPiece) - 1;
        Domains = (tables + TablesOfDomainMax - 1) / TablesOfDomainMax;
        Memory = new(tableBytes + (tableBytes >> 8) + (4ul << 20));
        Store(Root.Value, new RootEntry { Present = true, ContextTable = new(ContextTable) }.Raw);
        for (int domain = 0; domain < Domains; domain++)
        {
            ulong top = WriteTables(4, Math.Min(tables, TablesOfDomainMax));
            Store(ContextTable + ((ulong)domain * 16), new ContextEntry
            {
                Present = true,
                AddressWidth = AddressWidth.Bits48,
                DomainId = new((ushort)(domain + 1)),
                SecondStageTable = new(top),
            }.Raw);
        }
    }

    /// <summary>The memory.</summary>
    public PhysicalMemory Memory { get; }

    /// <summary>How many domains there are.</summary>
    public int Domains { get; }

    /// <summary>How many pages are mapped.</summary>
    public ulong Pages => _mapped;

    /// <summary>How many runs they make at least: a piece each.</summary>
    public ulong Pieces => _mapped / (ulong)_pagesOfPiece;

    /// <inheritdoc/>
    public void Dispose() => Memory.Dispose();

    // A table of a level, with as many last-level tables below it; where it is.
    private ulong WriteTables(int level, int tables)
    {
        ulong place = _free;
        _free += 4096;
        if (level == 1)
        {
            for (int slot = 0; slot < Entries; slot++)
                _page[slot] = NextFrame() | ReadWrite;
            Write(place, _page);
            return place;
        }

        int ofEach = 1 << (9 * (level - 2));
        ulong[] entries = new ulong[Entries];
        for (int slot = 0; tables > 0; slot++, tables -= ofEach)
            entries[slot] = WriteTables(level - 1, Math.Min(tables, ofEach)) | ReadWrite;
        Write(place, entries);
        return place;
    }

    // The number of a piece times an odd number takes each value below a power of two once.
    private ulong NextFrame()
    {
        ulong piece = _mapped / (ulong)_pagesOfPiece;
        ulong scattered = (piece * 0x9E37_79B1) & _pieceMask;
        return FirstFrame + (((scattered * (ulong)_pagesOfPiece) + (_mapped++ % (ulong)_pagesOfPiece)) << 12);
    }

    private void Store(ulong at, Bits128 value)
    {
        if (!Memory.TryWrite(new(at), value))
            throw new InvalidOperationException($"No memory at {at:X}h.");
    }

    private void Write(ulong at, ulong[] table)
    {
        if (!Memory.TryWrite(new(at), MemoryMarshal.AsBytes(table.AsSpan())))
            throw new InvalidOperationException($"No memory at {at:X}h.");
    }
}
