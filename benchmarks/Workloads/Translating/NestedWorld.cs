using System.Runtime.CompilerServices;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Workloads;

/// <summary>A memory with tables of two stages in it, a remapping unit in scalable mode, and one requester.</summary>
/// <remarks>
/// <code>
///   0           1 MiB                               16 MiB                 4 GiB
///   +-----------+-----------------------------------+--- --------------------+-----------
///   | contexts, | tables of both stages             |    not touched        | the pages
///   | PASIDs    |                                   |                      |
///   +-----------+-----------------------------------+----------------------+-----------
/// </code>
/// The second stage sees all of it 256 GiB higher. Accessed and dirty bits are set already, as drivers do that do not
/// use them.
/// </remarks>
internal sealed class NestedWorld : IDisposable
{
    /// <summary>The first mapped I/O address.</summary>
    public const ulong FirstAddress = 0x40_0000_0000;

    /// <summary>All tables lie below this.</summary>
    public const int TablesEnd = 16 << 20;

    /// <summary>The top table of the second stage.</summary>
    public const ulong SecondTop = 0x10_0000;

    /// <summary>Where the second stage sees the top table of the first one.</summary>
    public const ulong FirstTop = Moved + 0x10_1000;

    private const ulong Moved = 0x40_0000_0000;
    private const ulong FirstFrame = 1ul << 32;
    private const ulong RootTable = 0x1000;
    private const ulong ContextTable = 0x2000;
    private const ulong Directory = 0x3000;
    private const ulong PasidTable = 0x4000;
    private const ulong FirstFlags = 0x67; // present, writable, user, accessed, dirty
    private const ulong SecondFlags = 0x303; // read, write, accessed, dirty
    private const ulong FrameMask = 0x000F_FFFF_FFFF_F000;
    private const int TopLevel = 4;
    private const int Seed = 2;
    private static readonly SourceId s_source = new(0, 2, 0);

    private ulong _nextTable = 0x10_2000;

    /// <summary>Maps a working set of 4 KiB pages, whose frames are in random order, and turns translation on.</summary>
    public NestedWorld(WorkingSet set, HardwareProfile profile)
    {
        Memory = new(FirstFrame + ((ulong)set.Pages * 4096));
        ulong[] frames = [.. Enumerable.Range(0, set.Pages).Select(page => FirstFrame + ((ulong)page * 4096))];
        new Random(Seed).Shuffle(frames);
        for (int page = 0; page < set.Pages; page++)
        {
            ulong guest = Moved + FirstFrame + ((ulong)page * 4096);
            Map(FirstTop - Moved, FirstAddress + ((ulong)page * 4096), guest | FirstFlags, FirstFlags, Moved);
            Map(SecondTop, guest, frames[page] | SecondFlags, SecondFlags, 0);
        }

        for (ulong table = SecondTop; table < _nextTable; table += 4096)
            Map(SecondTop, Moved + table, table | SecondFlags, SecondFlags, 0);
        WriteContext();
        RemappingUnit unit = new(Memory, new InterruptRouter(new EventLoop()), profile);
        unit.Write(RegisterOffsets.RootTableAddress, 8, new RootTableAddress { Table = new(RootTable), Mode = TranslationTableMode.Scalable }.Raw.Value);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { SetRootTablePointer = true }.Raw.Value);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { TranslationEnable = true }.Raw.Value);
        Port = unit.Open(s_source);
    }

    /// <summary>The memory.</summary>
    public PhysicalMemory Memory { get; }

    /// <summary>The way of the requester through the unit.</summary>
    public RemappedPort Port { get; }

    /// <summary>Translates a batch of reads.</summary>
    /// <returns>The sum of the answers.</returns>
    public ulong Translate(ReadOnlySpan<ulong> addresses)
    {
        ulong sum = 0;
        foreach (ulong address in addresses)
            sum += Translate(address);
        return sum;
    }

    /// <summary>The unit's answer to a read, in the form of the baselines.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public ulong Translate(ulong address) =>
        Port.TryTranslate(new(address), write: false, out PhysicalAddress target) ? target.Value : FlatWalk.Fault;

    public void Dispose() => Memory.Dispose();

    // Both stages have entries of the same shape: flags, a frame, nine bits of the address for each level.
    private void Map(ulong top, ulong address, ulong leaf, ulong flags, ulong moved)
    {
        ulong table = top;
        for (int level = TopLevel; level > 1; level--)
        {
            ulong at = table + ((address >> (3 + (9 * level)) & 0x1FF) * 8);
            ulong entry = Memory.TryRead(new(at), out ulong found) ? found : 0;
            if (entry == 0)
            {
                entry = (_nextTable + moved) | flags;
                _nextTable += 4096;
                Store(at, entry);
            }

            table = (entry & FrameMask) - moved;
        }

        Store(table + ((address >> 12 & 0x1FF) * 8), leaf);
    }

    private void WriteContext()
    {
        Store(RootTable + ((ulong)s_source.Bus * 16), new ScalableRootEntry { LowerPresent = true, LowerContextTable = new(ContextTable) }.Raw);
        Store(ContextTable + ((ulong)s_source.DeviceFunction * 32), new ScalableContextEntry { Present = true, PasidDirectory = new(Directory) }.Raw);
        Store(Directory, new PasidDirectoryEntry { Present = true, PasidTable = new(PasidTable) }.Raw);
        Store(PasidTable, new PasidTableEntry
        {
            Present = true,
            TranslationType = PasidTranslationType.Nested,
            AddressWidth = AddressWidth.Bits48,
            DomainId = new(1),
            SecondStageTable = new(SecondTop),
            SecondStageAccessedDirty = true,
            PageWalkSnoop = true,
            NoExecuteEnabled = true,
            FirstStageTable = new(FirstTop),
        }.Raw);
    }

    private void Store<T>(ulong address, T value)
        where T : unmanaged
    {
        if (!Memory.TryWrite(new(address), value))
            throw new InvalidOperationException($"No memory at {address:X}h.");
    }
}
