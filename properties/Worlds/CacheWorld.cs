using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Requesters in scalable mode with PASIDs of all kinds in two domains, whose tables are changed under the caches.</summary>
/// <remarks>
/// The second stage of both domains shows the region of tables where it is, so that nested tables can be read. Each
/// page of data begins with its own address, which tells a reader where it landed.
/// </remarks>
internal sealed class CacheWorld : IDisposable
{
    private const ulong FirstTable = 8 << 20;
    private const ulong EndOfTables = FirstTable + (2 << 20);
    private const ulong FirstData = 16 << 20;
    private const ulong FirstPointer = 0x27;
    private const ulong SecondPointer = 3;

    private readonly Dictionary<SourceId, PhysicalAddress> _contexts = [];
    private readonly Dictionary<SourceId, PhysicalAddress> _directories = [];
    private readonly Dictionary<ushort, ulong> _secondStages = [];
    private ulong _nextData = FirstData;

    public CacheWorld(HardwareProfile profile)
    {
        World = new(profile, 32 << 20);
        Tables = new(World.Memory, FirstTable);
        _ = World.Enable(TranslationTableMode.Scalable);
    }

    public RemappingWorld World { get; }

    public TableWriter Tables { get; }

    public void Dispose() => World.Dispose();

    /// <summary>A page of data that begins with its address.</summary>
    public ulong NewPage()
    {
        ulong page = _nextData;
        _nextData += 4096;
        World.Put(new(page), page);
        return page;
    }

    /// <summary>The context of a requester, with a PASID directory for 64 PASIDs.</summary>
    public void PutContext(SourceId source, Pasid requesterPasid)
    {
        if (!_contexts.TryGetValue(source, out PhysicalAddress place))
        {
            place = ContextPlace(source);
            _contexts[source] = place;
            _directories[source] = World.Frame();
            World.Put(_directories[source], new PasidDirectoryEntry { Present = true, PasidTable = World.Frame() }.Raw.Value);
        }

        ScalableContextEntry entry = new() { Present = true, PasidEnabled = true, PasidDirectory = _directories[source], RequesterPasid = requesterPasid };
        World.Put(place, new Bits128(entry.Raw.Word0, entry.Raw.Word1));
    }

    /// <summary>Where the entry of one of the first 64 PASIDs is.</summary>
    public PhysicalAddress PasidPlace(SourceId source, Pasid pasid)
    {
        Assert.True(World.Memory.TryRead(_directories[source], out ulong directory));
        return new PasidDirectoryEntry(new(directory)).PasidTable + (64ul * pasid.Value);
    }

    public void PutPasid(SourceId source, Pasid pasid, PasidTableEntry entry) =>
        Assert.True(World.Memory.TryWrite(PasidPlace(source, pasid), entry.Raw));

    /// <summary>An entry with empty tables of a first stage, where it has one, and the second stage of its domain.</summary>
    public PasidTableEntry Entry(PasidTranslationType type, ushort domain)
    {
        PasidTableEntry entry = new()
        {
            Present = true,
            TranslationType = type,
            DomainId = new(domain),
            PageWalkSnoop = true,
            AddressWidth = AddressWidth.Bits48,
        };
        if (type is PasidTranslationType.Nested or PasidTranslationType.SecondStage)
            entry = entry with { SecondStageTable = new(SecondStageOf(domain)) };
        return type is PasidTranslationType.Nested or PasidTranslationType.FirstStage
            ? entry with { FirstStageTable = new(Tables.NewPage()) }
            : entry;
    }

    /// <summary>Maps a page in the stage that a PASID uses first.</summary>
    /// <returns>Where the leaf is.</returns>
    public PhysicalAddress Map(PasidTableEntry entry, ulong address, ulong page)
    {
        if (entry.TranslationType == PasidTranslationType.SecondStage)
            return new(Tables.Map(entry.SecondStageTable.Value, 4, address, page | SecondPointer, 1, SecondPointer));
        if (entry.TranslationType == PasidTranslationType.Nested)
            _ = Tables.Map(SecondStageOf(entry.DomainId.Value), 4, page, page | SecondPointer, 1, SecondPointer);
        return new(Tables.Map(entry.FirstStageTable.Value, 4, address, page | FirstPointer | 0x40, 1, FirstPointer));
    }

    /// <summary>Where the entry is that leads to the table of a leaf.</summary>
    public PhysicalAddress PointerPlace(PasidTableEntry entry, ulong address)
    {
        ulong root = entry.TranslationType == PasidTranslationType.SecondStage ? entry.SecondStageTable.Value : entry.FirstStageTable.Value;
        ulong upper = Tables.Get(root + ((address >> 39 & 0x1FF) * 8)) & ~0xFFFul;
        ulong middle = Tables.Get(upper + ((address >> 30 & 0x1FF) * 8)) & ~0xFFFul;
        return new(middle + ((address >> 21 & 0x1FF) * 8));
    }

    /// <summary>Reads through the unit.</summary>
    /// <returns>The page where it landed; null where it was refused.</returns>
    public ulong? Read(SourceId source, Pasid? pasid, ulong address)
    {
        byte[] data = new byte[8];
        DmaStatus status = World.Unit.Open(source).Read(new(address), data, new() { Pasid = pasid });
        return status == DmaStatus.Success ? BitConverter.ToUInt64(data) : null;
    }

    private PhysicalAddress ContextPlace(SourceId source)
    {
        PhysicalAddress rootPlace = new(RemappingWorld.RootTable + (16ul * source.Bus));
        Assert.True(World.Memory.TryRead(rootPlace, out Bits128 raw));
        ScalableRootEntry root = new(raw);
        if (!root.LowerPresent)
        {
            root = new() { LowerPresent = true, LowerContextTable = World.Frame() };
            World.Put(rootPlace, root.Raw);
        }

        return root.LowerContextTable + (32ul * source.DeviceFunction);
    }

    private ulong SecondStageOf(ushort domain)
    {
        if (_secondStages.TryGetValue(domain, out ulong known))
            return known;
        ulong top = Tables.NewPage();
        _secondStages[domain] = top;
        for (ulong page = FirstTable; page < EndOfTables; page += 4096)
            _ = Tables.Map(top, 4, page, page | SecondPointer, 1, SecondPointer);
        return top;
    }
}
