using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A unit in scalable mode with one requester and one PASID, whose tables are written entry by entry.</summary>
/// <remarks>
/// <code>
///   0          16 MiB            32 MiB         64 MiB
///   +----------+-----------------+--------------+        Where translation is nested, the second stage sees all of
///   | contexts | tables of both  |    pages     |        it moved up by 256 GiB: an address that was not translated
///   |          | stages          |              |        twice leads nowhere.
///   +----------+-----------------+--------------+
/// </code>
/// </remarks>
internal sealed class ScalableWorld : IDisposable
{
    /// <summary>What is added to an address of memory to have it as the second stage sees it.</summary>
    public const ulong Moved = 0x40_0000_0000;

    /// <summary>The flags of a first-stage pointer: present, writable, user.</summary>
    public const ulong FirstPointer = 7;

    /// <summary>The flags of a second-stage pointer: read, write.</summary>
    public const ulong SecondPointer = 3;

    private const ulong FirstTable = 16 << 20;
    private const ulong PageSize = 0x80;

    public ScalableWorld(HardwareProfile profile)
    {
        World = new(profile with { IotlbSets = 0, ContextCacheSets = 0, PasidCacheSets = 0, PagingCacheSets = 0, CollapsesFaults = false });
        Tables = new(World.Memory, FirstTable);
        Directory = World.Frame();
        ContextPlace = new PhysicalAddress(World.Frame().Value) + (32ul * (RemappingWorld.Device.DeviceFunction & 0x7Fu));
        Put(RootPlace, new ScalableRootEntry { LowerPresent = true, LowerContextTable = new(ContextPlace.Value & ~0xFFFul) }.Raw);
        Context = new()
        {
            Present = true,
            DeviceTlbEnabled = true,
            PasidEnabled = true,
            PasidDirectorySize = 7,
            PasidDirectory = Directory,
            RequesterPasid = new(5),
        };

        // A directory of 2^14 entries is 32 pages long; the frames after it are free.
        for (int page = 1; page < 64; page++)
            _ = World.Frame();
        _ = World.Enable(TranslationTableMode.Scalable);
    }

    public RemappingWorld World { get; }

    public PhysicalMemory Memory => World.Memory;

    public TableWriter Tables { get; }

    public PhysicalAddress Directory { get; }

    public static PhysicalAddress RootPlace { get; } = new(RemappingWorld.RootTable + (16ul * RemappingWorld.Device.Bus));

    public PhysicalAddress ContextPlace { get; }

    public ScalableContextEntry Context
    {
        get => new(Get<Bits256>(ContextPlace));
        set => Put(ContextPlace, value.Raw);
    }

    public void Dispose() => World.Dispose();

    public void Put<T>(PhysicalAddress place, T value)
        where T : unmanaged => Assert.True(Memory.TryWrite(place, value));

    public T Get<T>(PhysicalAddress place)
        where T : unmanaged
    {
        Assert.True(Memory.TryRead(place, out T value));
        return value;
    }

    /// <summary>Where the directory entry of a PASID is.</summary>
    public PhysicalAddress DirectoryPlace(Pasid pasid) => Directory + (8ul * (pasid.Value >> 6));

    /// <summary>Where the entry of a PASID is; its table is made where there is none.</summary>
    public PhysicalAddress PasidPlace(Pasid pasid)
    {
        PasidDirectoryEntry entry = new(new(Get<ulong>(DirectoryPlace(pasid))));
        if (!entry.Present)
        {
            entry = new() { Present = true, PasidTable = World.Frame() };
            Put(DirectoryPlace(pasid), entry.Raw.Value);
        }

        return entry.PasidTable + (64ul * (pasid.Value & 63));
    }

    public PasidTableEntry GetPasid(Pasid pasid) => new(Get<Bits512>(PasidPlace(pasid)));

    public void PutPasid(Pasid pasid, PasidTableEntry entry) => Put(PasidPlace(pasid), entry.Raw);

    /// <summary>An entry with empty tables of its own for the stages that it has, and a first stage that may do anything.</summary>
    public PasidTableEntry Entry(PasidTranslationType type, int firstLevels = 4, int secondLevels = 4)
    {
        bool nested = type == PasidTranslationType.Nested;
        PasidTableEntry entry = new()
        {
            Present = true,
            TranslationType = type,
            DomainId = new(7),
            PageWalkSnoop = true,
            SupervisorRequestsEnabled = true,
            ExecuteRequestsEnabled = true,
            NoExecuteEnabled = true,
        };
        if (nested || type == PasidTranslationType.SecondStage)
            entry = entry with { AddressWidth = (AddressWidth)(secondLevels - 2), SecondStageTable = new(Tables.NewPage()) };
        if (type != PasidTranslationType.FirstStage && !nested)
            return entry;
        return entry with
        {
            PagingMode = firstLevels == 5 ? FirstStagePagingMode.FiveLevel : FirstStagePagingMode.FourLevel,
            FirstStageTable = new(Tables.NewPage() + (nested ? Moved : 0)),
        };
    }

    /// <summary>Maps the region of tables for the second stage, so that first-stage tables can be read through it.</summary>
    public void MapTables(PasidTableEntry entry, ulong flags = SecondPointer)
    {
        for (ulong page = FirstTable; page < FirstTable + (2 << 20); page += 4096)
            _ = MapSecond(entry, Moved + page, page | flags);
    }

    /// <summary>Puts a second-stage leaf.</summary>
    /// <returns>Where it is.</returns>
    public PhysicalAddress MapSecond(PasidTableEntry entry, ulong address, ulong leaf, int level = 1, ulong pointerFlags = SecondPointer) =>
        new(Tables.Map(entry.SecondStageTable.Value, (int)entry.AddressWidth + 2, address, leaf | SizeFlag(level), level, pointerFlags));

    /// <summary>Puts a first-stage leaf.</summary>
    /// <returns>Where it is in memory.</returns>
    public PhysicalAddress MapFirst(PasidTableEntry entry, ulong address, ulong leaf, int level = 1, ulong pointerFlags = FirstPointer)
    {
        ulong moved = entry.TranslationType == PasidTranslationType.Nested ? Moved : 0;
        int levels = entry.PagingMode == FirstStagePagingMode.FiveLevel ? 5 : 4;
        return new(Tables.Map(entry.FirstStageTable.Value - moved, levels, address, leaf | SizeFlag(level), level, pointerFlags, page => page + moved));
    }

    private static ulong SizeFlag(int level) => level > 1 ? PageSize : 0;
}
