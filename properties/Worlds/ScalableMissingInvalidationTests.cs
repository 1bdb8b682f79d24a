using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Scalable mode: each invalidation that is left out is named, and done as it is named it ends the matter.</summary>
public sealed class ScalableMissingInvalidationTests
{
    private const ulong Address = 0x7654_3000;
    private static readonly DomainId s_domain = new(5);
    private static readonly Pasid s_pasid = new(9);
    private static readonly HardwareProfile s_unit = HardwareProfile.Named("friendly-scalable") with { TracksStaleness = true };

    [Fact]
    public void A_first_stage_page_owes_the_pages_of_its_pasid() =>
        Expect(s_unit, PasidTranslationType.FirstStage, CacheKind.Iotlb, (world, entry, leaf) => world.World.Put(leaf, 0),
            OwedInvalidation.OfPasidPages(s_domain, s_pasid, new(Address), 0, leafOnly: true));

    [Fact]
    public void A_second_stage_page_owes_the_pages_of_its_domain() =>
        Expect(s_unit, PasidTranslationType.SecondStage, CacheKind.Iotlb, (world, entry, leaf) => world.World.Put(leaf, 0),
            OwedInvalidation.OfPages(s_domain, new(Address), 0, leafOnly: true));

    [Fact]
    public void A_nested_page_owes_by_the_stage_that_changed()
    {
        Expect(s_unit, PasidTranslationType.Nested, CacheKind.Iotlb, (world, entry, leaf) => world.World.Put(leaf, 0),
            OwedInvalidation.OfPasidPages(s_domain, s_pasid, new(Address), 0, leafOnly: true));
        Expect(s_unit, PasidTranslationType.Nested, CacheKind.Iotlb, (world, entry, leaf) => world.World.Put(new(world.Tables.Map(
            entry.SecondStageTable.Value, 4, world.World.Get(leaf) & 0xF_FFFF_F000, 0, 1, 3)), 0),
            OwedInvalidation.OfTranslations(IotlbGranularity.Domain, s_domain));
    }

    [Fact]
    public void A_pasid_entry_owes_its_cache_and_then_its_translations()
    {
        OwedInvalidation pasid = OwedInvalidation.OfPasid(PasidCacheGranularity.Pasid, s_domain, s_pasid);
        foreach (PasidTranslationType type in (PasidTranslationType[])[PasidTranslationType.FirstStage, PasidTranslationType.PassThrough])
        {
            Expect(s_unit, type, CacheKind.Pasid, (world, entry, leaf) => world.PutPasid(RemappingWorld.Device, s_pasid, default),
                pasid, OwedInvalidation.OfPasidTranslations(s_domain, s_pasid));
        }

        foreach (PasidTranslationType type in (PasidTranslationType[])[PasidTranslationType.SecondStage, PasidTranslationType.Nested])
        {
            Expect(s_unit, type, CacheKind.Pasid, (world, entry, leaf) => world.PutPasid(RemappingWorld.Device, s_pasid, default),
                pasid, OwedInvalidation.OfTranslations(IotlbGranularity.Domain, s_domain));
        }
    }

    [Fact]
    public void Translations_alone_are_owed_where_the_pasid_cache_was_invalidated()
    {
        using CacheWorld world = World(s_unit, PasidTranslationType.FirstStage, out PasidTableEntry entry, out _);
        PasidTableEntry other = entry with { FirstStageTable = new(world.Tables.NewPage()) };
        Assert.NotNull(world.Read(RemappingWorld.Device, s_pasid, Address));
        world.PutPasid(RemappingWorld.Device, s_pasid, other);
        world.World.Submit(OwedInvalidation.OfPasid(PasidCacheGranularity.Pasid, s_domain, s_pasid).Descriptor);
        Assert.NotNull(world.Read(RemappingWorld.Device, s_pasid, Address));
        StaleUse use = world.World.TakeStaleUse();
        Assert.Equal((CacheKind.Iotlb, WalkStructure.PasidEntry, (Pasid?)s_pasid), (use.Cache, use.Change.Structure, use.Pasid));
        Assert.Equal([OwedInvalidation.OfPasidTranslations(s_domain, s_pasid)], use.Owed);
    }

    [Fact]
    public void A_context_entry_owes_its_cache_then_pasids_then_translations() =>
        Expect(s_unit, PasidTranslationType.FirstStage, CacheKind.Context, (world, entry, leaf) => world.PutContext(RemappingWorld.Device, new(3)),
            OwedInvalidation.OfContext(ContextGranularity.Device, default, RemappingWorld.Device),
            OwedInvalidation.OfPasid(PasidCacheGranularity.Global),
            OwedInvalidation.OfTranslations(IotlbGranularity.Global));

    [Fact]
    public void An_entry_that_leads_to_a_table_owes_more_than_its_leaves()
    {
        foreach (PasidTranslationType type in (PasidTranslationType[])[PasidTranslationType.FirstStage, PasidTranslationType.SecondStage])
        {
            using CacheWorld world = World(s_unit with { PagingCacheSets = 16, PagingCacheWays = 4 }, type, out PasidTableEntry entry, out _);
            world.Map(entry, Address + 0x1000, world.NewPage());
            Assert.NotNull(world.Read(RemappingWorld.Device, s_pasid, Address));
            PhysicalAddress pointer = world.PointerPlace(entry, Address);
            world.World.Put(pointer, 0);

            // The leaf goes from the IOTLB, and the table stays where another page is found by it.
            bool first = type == PasidTranslationType.FirstStage;
            Iova region = new(Address >> 21 << 21);
            world.World.Submit(first
                ? OwedInvalidation.OfPasidPages(s_domain, s_pasid, region, 9, leafOnly: true).Descriptor
                : OwedInvalidation.OfPages(s_domain, region, 9, leafOnly: true).Descriptor);
            Assert.NotNull(world.Read(RemappingWorld.Device, s_pasid, Address + 0x1000));
            StaleUse use = world.World.TakeStaleUse();
            Assert.Equal((CacheKind.PagingStructures, 2, pointer), (use.Cache, use.Change.Level, use.Change.Address));
            Assert.Equal(
                [first ? OwedInvalidation.OfPasidPages(s_domain, s_pasid, region, 9, leafOnly: false) : OwedInvalidation.OfPages(s_domain, region, 9, leafOnly: false)],
                use.Owed);
        }
    }

    // A page is read, something changes, it is read again; then what was owed is done.
    private static void Expect(
        HardwareProfile unit, PasidTranslationType type, CacheKind cache, Action<CacheWorld, PasidTableEntry, PhysicalAddress> change, params OwedInvalidation[] owed)
    {
        using CacheWorld world = World(unit, type, out PasidTableEntry entry, out PhysicalAddress leaf);
        ulong address = type == PasidTranslationType.PassThrough ? world.NewPage() : Address;
        Assert.NotNull(world.Read(RemappingWorld.Device, s_pasid, address));
        Assert.NotNull(world.Read(RemappingWorld.Device, s_pasid, address));
        Assert.Empty(world.World.StaleUses);
        change(world, entry, leaf);
        Assert.NotNull(world.Read(RemappingWorld.Device, s_pasid, address));
        StaleUse use = world.World.TakeStaleUse();
        Assert.Equal(cache, use.Cache);
        Assert.Equal(owed, use.Owed);
        foreach (OwedInvalidation missing in owed)
            world.World.Submit(missing.Descriptor);
        world.World.Wait();
        _ = world.Read(RemappingWorld.Device, s_pasid, address);
        Assert.Empty(world.World.StaleUses);
    }

    private static CacheWorld World(HardwareProfile unit, PasidTranslationType type, out PasidTableEntry entry, out PhysicalAddress leaf)
    {
        CacheWorld world = new(unit);
        world.PutContext(RemappingWorld.Device, new(1));
        entry = world.Entry(type, s_domain.Value);
        world.PutPasid(RemappingWorld.Device, s_pasid, entry);
        leaf = type == PasidTranslationType.PassThrough ? default : world.Map(entry, Address, world.NewPage());
        return world;
    }
}
