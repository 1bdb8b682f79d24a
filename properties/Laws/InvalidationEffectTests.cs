using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>
/// What each command drops and, on a unit that drops no more than it must, what it leaves: the table of section 5.2 of
/// the reference sheet, row by row, with one cached thing of each kind.
/// </summary>
public sealed class InvalidationEffectTests
{
    private const ulong Used = 0x80_0000_5000;
    private const ulong Neighbour = 0x80_0000_6000;
    private const ulong Through = 0x5000;
    private const ulong Far = 0x100_0000_5000;

    private static readonly SourceId _a = new(0, 3, 0);
    private static readonly SourceId _b = new(0, 3, 1);

    // PASIDs of device a in domain 1, one of each kind and a second one of the first stage; PASID 2 of device b is in domain 2.
    private static readonly (string Name, SourceId Source, uint Pasid, PasidTranslationType Type, ushort Domain)[] _pasids =
    [
        ("ss", _a, 1, PasidTranslationType.SecondStage, 1),
        ("fs", _a, 2, PasidTranslationType.FirstStage, 1),
        ("nest", _a, 3, PasidTranslationType.Nested, 1),
        ("pt", _a, 4, PasidTranslationType.PassThrough, 1),
        ("fs2", _a, 5, PasidTranslationType.FirstStage, 1),
        ("fsB", _b, 2, PasidTranslationType.FirstStage, 2),
        ("ssB", _b, 3, PasidTranslationType.SecondStage, 2),
    ];

    private const string NoCaches = "";
    private const string AllContexts = "ctx:a ctx:b";
    private const string AllPasids = "pasid:ss pasid:fs pasid:nest pasid:pt pasid:fs2 pasid:fsB pasid:ssB";
    private const string AllOfDomain = "iotlb:ss iotlb:fs iotlb:nest iotlb:pt iotlb:fs2 psc:ss psc:fs psc:nest psc:fs2";
    private const string AllTranslations = AllOfDomain + " iotlb:fsB iotlb:ssB psc:fsB psc:ssB";

    // The rows of the table.
    private static readonly (string Name, Bits128 Command, string Dropped)[] _rows =
    [
        ("context, global", Context(ContextGranularity.Global), AllContexts),
        ("context, domain, which scalable mode does not know", Context(ContextGranularity.Domain, 1), AllContexts),
        ("context, device", Context(ContextGranularity.Device, 1, _a), "ctx:a"),
        ("context, device, domain ignored", Context(ContextGranularity.Device, 9, _b), "ctx:b"),
        ("context, device, two functions", Context(ContextGranularity.Device, 1, _a, 3), AllContexts),
        ("PASID cache, global", PasidCache(PasidCacheGranularity.Global), AllPasids),
        ("PASID cache, domain", PasidCache(PasidCacheGranularity.Domain, 1), "pasid:ss pasid:fs pasid:nest pasid:pt pasid:fs2"),
        ("PASID cache, PASID", PasidCache(PasidCacheGranularity.Pasid, 1, 2), "pasid:fs"),
        ("PASID cache, the same PASID elsewhere", PasidCache(PasidCacheGranularity.Pasid, 2, 2), "pasid:fsB"),
        ("PASID cache, nobody", PasidCache(PasidCacheGranularity.Pasid, 3, 2), NoCaches),
        ("IOTLB, global", Iotlb(IotlbGranularity.Global), AllTranslations),
        ("IOTLB, domain", Iotlb(IotlbGranularity.Domain, 1), AllOfDomain),
        ("IOTLB, other domain", Iotlb(IotlbGranularity.Domain, 2), "iotlb:fsB iotlb:ssB psc:fsB psc:ssB"),
        ("IOTLB, page", Iotlb(IotlbGranularity.Page, 1, Used), "iotlb:ss iotlb:fs iotlb:nest iotlb:fs2 psc:ss psc:fs psc:nest psc:fs2"),
        ("IOTLB, page, leaves only", Iotlb(IotlbGranularity.Page, 1, Used, leaves: true), "iotlb:ss iotlb:fs iotlb:nest iotlb:fs2"),
        ("IOTLB, page that is passed through", Iotlb(IotlbGranularity.Page, 1, Through), "iotlb:pt iotlb:fs iotlb:nest iotlb:fs2 psc:fs psc:nest psc:fs2"),
        ("IOTLB, far page", Iotlb(IotlbGranularity.Page, 1, Far), "iotlb:fs iotlb:nest iotlb:fs2 psc:fs psc:nest psc:fs2"),
        ("IOTLB, far page, leaves only", Iotlb(IotlbGranularity.Page, 1, Far, leaves: true), "iotlb:fs iotlb:nest iotlb:fs2"),
        ("IOTLB, neighbour", Iotlb(IotlbGranularity.Page, 2, Neighbour), "iotlb:fsB psc:fsB psc:ssB"),
        ("PASID IOTLB, second stage", PasidIotlb(PasidIotlbGranularity.Pasid, 1, 1), NoCaches),
        ("PASID IOTLB, first stage", PasidIotlb(PasidIotlbGranularity.Pasid, 1, 2), "iotlb:fs psc:fs"),
        ("PASID IOTLB, nested", PasidIotlb(PasidIotlbGranularity.Pasid, 1, 3), "iotlb:nest psc:nest"),
        ("PASID IOTLB, pass-through", PasidIotlb(PasidIotlbGranularity.Pasid, 1, 4), "iotlb:pt"),
        ("PASID IOTLB, the same PASID elsewhere", PasidIotlb(PasidIotlbGranularity.Pasid, 2, 2), "iotlb:fsB psc:fsB"),
        ("PASID IOTLB, page of the second stage", PasidIotlb(PasidIotlbGranularity.Page, 1, 1, Used), NoCaches),
        ("PASID IOTLB, page of the first stage", PasidIotlb(PasidIotlbGranularity.Page, 1, 2, Used), "iotlb:fs psc:fs"),
        ("PASID IOTLB, leaf of the first stage", PasidIotlb(PasidIotlbGranularity.Page, 1, 2, Used, leaves: true), "iotlb:fs"),
        ("PASID IOTLB, neighbour", PasidIotlb(PasidIotlbGranularity.Page, 1, 2, Neighbour), "psc:fs"),
        ("PASID IOTLB, far page", PasidIotlb(PasidIotlbGranularity.Page, 1, 2, Far), NoCaches),
        ("PASID IOTLB, nested page", PasidIotlb(PasidIotlbGranularity.Page, 1, 3, Used), "iotlb:nest psc:nest"),
        ("PASID IOTLB, page that is passed through", PasidIotlb(PasidIotlbGranularity.Page, 1, 4, Through), NoCaches),
        ("wait", new WaitDescriptor { Type = InvalidationDescriptorType.Wait, Fence = true }.Raw, NoCaches),
    ];

    // The hostile unit, with caches in which nothing pushes anything out.
    private static readonly HardwareProfile _exact = HardwareProfile.Named("hostile-scalable") with
    {
        IotlbSets = 64,
        ContextCacheSets = 16,
        PasidCacheSets = 64,
        PagingCacheSets = 64,
        PrefetchPages = 0,
    };

    public static TheoryData<string> Rows => [.. _rows.Select(row => row.Name)];

    [Theory]
    [MemberData(nameof(Rows))]
    public void A_command_drops_what_the_table_says_and_nothing_else(string name)
    {
        (_, Bits128 command, string dropped) = _rows.Single(row => row.Name == name);
        string[] things = $"{AllContexts} {AllPasids} {AllTranslations}".Split(' ');
        Assert.Equal(
            dropped.Split(' ', StringSplitOptions.RemoveEmptyEntries).Order(),
            things.Where(thing => IsDropped(thing, command)).Order());
    }

    [Fact]
    public void What_is_not_there_is_cached_by_a_unit_that_says_so_but_never_of_the_first_stage()
    {
        foreach ((PasidTranslationType type, bool cached) in ((PasidTranslationType, bool)[])[
            (PasidTranslationType.SecondStage, true), (PasidTranslationType.FirstStage, false), (PasidTranslationType.Nested, false)])
        {
            using CacheWorld world = new(_exact);
            PasidTableEntry entry = world.Entry(type, 1);
            world.PutContext(_a, new(1));
            world.PutPasid(_a, new(1), entry);
            Assert.Null(world.Read(_a, new(1), Used));
            ulong page = world.NewPage();
            _ = world.Map(entry, Used, page);
            Assert.Equal(cached ? null : page, world.Read(_a, new(1), Used));
            world.World.Submit(Iotlb(IotlbGranularity.Page, 1, Used));
            Assert.Equal(page, world.Read(_a, new(1), Used));
        }
    }

    [Fact]
    public void A_PASID_that_is_not_there_is_cached_as_one_of_domain_zero_by_a_unit_that_says_so()
    {
        foreach (bool caches in (bool[])[false, true])
        {
            using CacheWorld world = new(_exact with { CachesFaults = caches });
            world.PutContext(_a, new(1));
            Assert.Null(world.Read(_a, new(1), Used));
            world.PutPasid(_a, new(1), world.Entry(PasidTranslationType.PassThrough, 1));
            ulong page = world.NewPage();
            Assert.Equal(caches ? null : page, world.Read(_a, new(1), page));
            world.World.Submit(PasidCache(PasidCacheGranularity.Pasid, 1, 1));
            Assert.Equal(caches ? null : page, world.Read(_a, new(1), page));
            world.World.Submit(PasidCache(PasidCacheGranularity.Pasid, 0, 1));
            Assert.Equal(page, world.Read(_a, new(1), page));
        }
    }

    [Fact]
    public void Setting_the_root_table_drops_everything_where_the_unit_says_so()
    {
        foreach (bool enhanced in (bool[])[false, true])
        {
            HardwareProfile profile = _exact with { Capabilities = _exact.Capabilities with { EnhancedSetRootPointer = enhanced } };
            string[] things = $"{AllContexts} {AllPasids} {AllTranslations}".Split(' ');
            Assert.Equal(enhanced ? things : [], things.Where(thing => IsDropped(thing, profile, world => world.World.Command(new()
            {
                SetRootTablePointer = true,
                QueuedInvalidationEnable = true,
                TranslationEnable = true,
            }))));
        }
    }

    private static bool IsDropped(string thing, Bits128 command) => IsDropped(thing, _exact, world => world.World.Submit(command));

    // Fills all caches, changes what is in memory of one cached thing, does what is to be done, and looks who answers.
    private static bool IsDropped(string thing, HardwareProfile profile, Action<CacheWorld> act)
    {
        using CacheWorld world = new(profile);
        Dictionary<string, PasidTableEntry> entries = Fill(world);
        string[] parts = thing.Split(':');
        if (parts[0] == "ctx")
            return IsContextDropped(world, parts[1] == "a" ? _a : _b, act);
        (string name, SourceId source, uint pasid, PasidTranslationType type, ushort domain) = _pasids.Single(known => known.Name == parts[1]);
        PasidTableEntry entry = entries[name];
        switch (parts[0])
        {
            case "iotlb":
                act(world);
                ulong before = world.World.Unit.Statistics.Walks;
                Assert.NotNull(world.Read(source, new(pasid), type == PasidTranslationType.PassThrough ? Through : Used));
                return world.World.Unit.Statistics.Walks != before;
            case "pasid":
                // Tables of another domain, in which nothing is cached.
                PasidTableEntry other = world.Entry(PasidTranslationType.FirstStage, 3);
                ulong page = world.NewPage();
                _ = world.Map(other, Far, page);
                world.PutPasid(source, new(pasid), other);
                act(world);
                return world.Read(source, new(pasid), Far) == page;
            default:
                // Another table below the entry that is cached, for a page that nobody used.
                ulong table = world.Tables.NewPage();
                ulong moved = world.NewPage();
                _ = world.Map(entry, Neighbour, world.NewPage());
                PhysicalAddress pointer = world.PointerPlace(entry, Used);
                Assert.True(world.World.Memory.TryRead(pointer, out ulong old));
                ulong leaf = type == PasidTranslationType.SecondStage ? moved | 3 : moved | 0x67;
                if (type == PasidTranslationType.Nested)
                    _ = world.Tables.Map(world.Entry(PasidTranslationType.SecondStage, domain).SecondStageTable.Value, 4, moved, moved | 3, 1, 3);
                world.Tables.Put(table + ((Neighbour >> 12 & 0x1FF) * 8), leaf);
                world.Tables.Put(pointer.Value, table | (old & 0xFFF));
                act(world);
                ulong? landed = world.Read(source, new(pasid), Neighbour);
                Assert.NotNull(landed);
                return landed == moved;
        }
    }

    private static bool IsContextDropped(CacheWorld world, SourceId source, Action<CacheWorld> act)
    {
        // Requests without PASID go by another one from now on.
        Pasid other = new(9);
        PasidTableEntry entry = world.Entry(PasidTranslationType.FirstStage, 3);
        ulong page = world.NewPage();
        _ = world.Map(entry, Far, page);
        world.PutPasid(source, other, entry);
        world.PutContext(source, other);
        act(world);
        return world.Read(source, null, Far) == page;
    }

    private static Dictionary<string, PasidTableEntry> Fill(CacheWorld world)
    {
        Dictionary<string, PasidTableEntry> entries = [];
        world.PutContext(_a, new(2));
        world.PutContext(_b, new(2));
        foreach ((string name, SourceId source, uint pasid, PasidTranslationType type, ushort domain) in _pasids)
        {
            PasidTableEntry entry = world.Entry(type, domain);
            entries[name] = entry;
            world.PutPasid(source, new(pasid), entry);
            ulong page = world.NewPage();
            if (type != PasidTranslationType.PassThrough)
                _ = world.Map(entry, Used, page);
            Assert.NotNull(world.Read(source, new(pasid), type == PasidTranslationType.PassThrough ? Through : Used));
        }

        return entries;
    }

    private static Bits128 Context(ContextGranularity granularity, ushort domain = 0, SourceId source = default, int functionMask = 0) =>
        new ContextCacheDescriptor
        {
            Type = InvalidationDescriptorType.ContextCache,
            Granularity = granularity,
            DomainId = new(domain),
            Source = source,
            FunctionMask = functionMask,
        }.Raw;

    private static Bits128 PasidCache(PasidCacheGranularity granularity, ushort domain = 0, uint pasid = 0) =>
        new PasidCacheDescriptor { Type = InvalidationDescriptorType.PasidCache, Granularity = granularity, DomainId = new(domain), Pasid = new(pasid) }.Raw;

    private static Bits128 Iotlb(IotlbGranularity granularity, ushort domain = 0, ulong address = 0, bool leaves = false) => new IotlbDescriptor
    {
        Type = InvalidationDescriptorType.Iotlb,
        Granularity = granularity,
        DomainId = new(domain),
        Address = new(address),
        Hint = leaves,
    }.Raw;

    private static Bits128 PasidIotlb(PasidIotlbGranularity granularity, ushort domain, uint pasid, ulong address = 0, bool leaves = false) => new PasidIotlbDescriptor
    {
        Type = InvalidationDescriptorType.PasidIotlb,
        Granularity = granularity,
        DomainId = new(domain),
        Pasid = new(pasid),
        Address = new(address),
        Hint = leaves,
    }.Raw;
}
