using System.Runtime.CompilerServices;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Workloads;

/// <summary>A memory with tables in it, a remapping unit that uses them, and one requester.</summary>
/// <remarks>
/// <code>
///   0           1 MiB                               16 MiB                 4 GiB
///   +-----------+-----------------------------------+--- --------------------+-----------
///   | root,     | second-stage tables, as many as   |    not touched        | the pages
///   | context   | the mapped pages need             |                      |
///   +-----------+-----------------------------------+----------------------+-----------
/// </code>
/// Software is played here by plain stores: what is measured is the unit.
/// </remarks>
internal sealed class RemappedWorld : IDisposable
{
    /// <summary>The first mapped I/O address.</summary>
    public const ulong FirstAddress = 0x40_0000_0000;

    /// <summary>All tables lie below this.</summary>
    public const int TablesEnd = 16 << 20;

    /// <summary>The second-stage table of the top level.</summary>
    public const ulong TopTable = 0x10_0000;

    private const ulong FirstFrame = 1ul << 32;
    private const ulong RootTable = 0x1000;
    private const ulong ContextTable = 0x2000;
    private const int TopLevel = 4;
    private const int Seed = 2;
    private static readonly SourceId s_source = new(0, 2, 0);

    private ulong _nextTable = TopTable + 0x1000;

    /// <summary>Maps a working set to frames in random order and turns translation on.</summary>
    /// <param name="set">The pages.</param>
    /// <param name="profile">The unit.</param>
    public RemappedWorld(WorkingSet set, HardwareProfile profile)
    {
        ulong pageBytes = 1ul << set.PageShift;
        Memory = new(FirstFrame + ((ulong)set.Pages * pageBytes));
        ulong[] frames = [.. Enumerable.Range(0, set.Pages).Select(page => FirstFrame + ((ulong)page * pageBytes))];
        new Random(Seed).Shuffle(frames);
        for (int page = 0; page < set.Pages; page++)
            Map(FirstAddress + ((ulong)page * pageBytes), new(frames[page]), set.PageShift);

        Store(RootTable + ((ulong)s_source.Bus * 16), new RootEntry { Present = true, ContextTable = new(ContextTable) }.Raw);
        Store(ContextTable + ((ulong)(byte)s_source.Value * 16), new ContextEntry
        {
            Present = true,
            AddressWidth = AddressWidth.Bits48,
            DomainId = new(1),
            SecondStageTable = new(TopTable),
        }.Raw);

        RemappingUnit unit = new(Memory, new InterruptRouter(new EventLoop()), profile);
        unit.Write(RegisterOffsets.RootTableAddress, 8, new RootTableAddress { Table = new(RootTable) }.Raw.Value);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { SetRootTablePointer = true }.Raw.Value);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { TranslationEnable = true }.Raw.Value);
        Port = unit.Open(s_source);
    }

    /// <summary>The memory.</summary>
    public PhysicalMemory Memory { get; }

    /// <summary>The way of the requester through the unit.</summary>
    public RemappedPort Port { get; }

    /// <summary>Writes the entry of a page, and the tables above it where there are none.</summary>
    /// <param name="address">The I/O address of the page.</param>
    /// <param name="frame">The page.</param>
    /// <param name="pageShift">12 or 21.</param>
    private void Map(ulong address, PhysicalAddress frame, int pageShift)
    {
        ulong table = TopTable;
        int leaf = ((pageShift - 12) / 9) + 1;
        for (int level = TopLevel; level > leaf; level--)
        {
            PhysicalAddress at = EntryOf(table, address, level);
            SecondStageEntry entry = new(new Bits64(Load(at)));
            if (!entry.Read)
            {
                entry = new() { Read = true, Write = true, Address = new(_nextTable) };
                _nextTable += 0x1000;
                Store(at.Value, entry.Raw);
            }

            table = entry.Address.Value;
        }

        SecondStageEntry page = new() { Read = true, Write = true, PageSize = leaf > 1, Address = frame };
        Store(EntryOf(table, address, leaf).Value, page.Raw);
    }

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
    /// <remarks>A call of its own, as the baselines are: what is measured is a translation that somebody asks for.</remarks>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public ulong Translate(ulong address) =>
        Port.TryTranslate(new(address), write: false, out PhysicalAddress target) ? target.Value : FlatWalk.Fault;

    public void Dispose() => Memory.Dispose();

    private ulong Load(PhysicalAddress address) =>
        Memory.TryRead(address, out ulong value) ? value : throw new InvalidOperationException($"No memory at {address}.");

    private void Store<T>(ulong address, T value)
        where T : unmanaged
    {
        if (!Memory.TryWrite(new(address), value))
            throw new InvalidOperationException($"No memory at {address:X}h.");
    }

    private static PhysicalAddress EntryOf(ulong table, ulong address, int level) =>
        new(table + ((address >> (12 + (9 * (level - 1))) & 0x1FF) * 8));
}
