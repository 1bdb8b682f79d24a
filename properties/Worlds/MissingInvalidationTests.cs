using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Software that leaves one invalidation out is told which one, after which write, and by which use.</summary>
public sealed class MissingInvalidationTests
{
    private const ushort Domain = 5;
    private const ulong Page = 0x20_0000;
    private const ulong OtherPage = 0x30_0000;

    // Entries that are not there are cached only where caching mode and the profile say so.
    private static readonly HardwareProfile s_friendly = HardwareProfile.Named("friendly") with { TracksStaleness = true };

    [Fact]
    public void A_page_that_was_unmapped_and_not_invalidated_is_named_with_the_write_and_the_descriptor()
    {
        using RemappingWorld world = Mapped(s_friendly, out _, out PhysicalAddress leaf);
        Assert.True(Reads(world, 0x1000));
        ulong before = world.Get(leaf);
        world.Put(leaf, 0);
        Assert.True(Reads(world, 0x1008));
        StaleUse use = world.TakeStaleUse();
        Assert.Equal((RemappingWorld.Device, 0x1008ul, false, CacheKind.Iotlb, 1ul), (use.Source, use.Address.Value, use.Write, use.Cache, use.Age));
        Assert.Equal((WalkStructure.SecondStage, 1, leaf, null), (use.Change.Structure, use.Change.Level, use.Change.Address, use.Change.Device));
        Assert.Equal((before, 0ul), (use.Change.Before.Word0, use.Change.After.Word0));
        Assert.Equal([OwedInvalidation.OfPages(new(Domain), new(0x1000), 0, leafOnly: true)], use.Owed);

        // Told once. The one that was missing ends it.
        Assert.True(Reads(world, 0x1000));
        Assert.Empty(world.StaleUses);
        world.InvalidateIotlb(IotlbGranularity.Page, Domain, 0x1000);
        Assert.False(Reads(world, 0x1000));
        Assert.Empty(world.StaleUses);
    }

    [Fact]
    public void The_first_of_several_writes_is_the_one_that_is_named()
    {
        using RemappingWorld world = Mapped(s_friendly, out _, out PhysicalAddress leaf);
        Assert.True(Reads(world, 0x1000));
        ulong mapped = world.Get(leaf);
        ulong moved = RemappingWorld.Page(OtherPage).Raw.Value;

        // Bits that the unit ignores, a change that is taken back, then two that are not.
        world.Put(leaf, mapped | (1ul << 52));
        world.Put(leaf, 0);
        world.Put(leaf, mapped);
        Assert.True(Reads(world, 0x1000));
        Assert.Empty(world.StaleUses);
        world.Put(leaf, moved);
        world.Put(leaf, 0);
        Assert.True(Reads(world, 0x1000));
        StaleUse use = world.TakeStaleUse();
        Assert.Equal((mapped, moved), (use.Change.Before.Word0, use.Change.After.Word0));
    }

    [Fact]
    public void A_right_that_was_taken_away_is_missed_by_a_request_that_does_not_need_it()
    {
        using RemappingWorld world = Mapped(s_friendly, out _, out PhysicalAddress leaf);
        Assert.True(Reads(world, 0x1000));
        world.Put(leaf, RemappingWorld.Page(Page, write: false).Raw.Value);
        Assert.True(Reads(world, 0x1000));
        Assert.Equal([OwedInvalidation.OfPages(new(Domain), new(0x1000), 0, leafOnly: true)], world.TakeStaleUse().Owed);
    }

    [Fact]
    public void A_table_that_was_taken_away_owes_all_that_it_translated_and_not_the_leaves_alone()
    {
        using RemappingWorld world = Mapped(s_friendly, out PhysicalAddress top, out _);
        PhysicalAddress directory = world.EntryPlace(top, AddressWidth.Bits57, 0x1000, 2);
        Assert.True(Reads(world, 0x1000));
        world.Put(directory, 0);
        Assert.True(Reads(world, 0x1000));
        StaleUse use = world.TakeStaleUse();
        Assert.Equal((2, directory), (use.Change.Level, use.Change.Address));
        Assert.Equal([OwedInvalidation.OfPages(new(Domain), default, 9, leafOnly: false)], use.Owed);
    }

    [Fact]
    public void More_pages_than_a_mask_can_name_owe_the_domain()
    {
        using RemappingWorld world = Mapped(s_friendly, out PhysicalAddress top, out _);
        Assert.True(Reads(world, 0x1000));
        world.Put(top, 0);
        Assert.True(Reads(world, 0x1000));
        Assert.Equal([OwedInvalidation.OfTranslations(IotlbGranularity.Domain, new(Domain))], world.TakeStaleUse().Owed);
    }

    [Fact]
    public void A_context_entry_that_changed_owes_the_device_and_then_its_old_domain()
    {
        using RemappingWorld world = Mapped(s_friendly, out _, out _);
        Assert.True(Reads(world, 0x1000));
        PhysicalAddress other = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(other, Domain + 1));
        Assert.True(Reads(world, 0x1000));
        StaleUse use = world.TakeStaleUse();
        Assert.Equal((CacheKind.Context, WalkStructure.Context, world.ContextPlace(RemappingWorld.Device)), (use.Cache, use.Change.Structure, use.Change.Address));
        OwedInvalidation domain = OwedInvalidation.OfTranslations(IotlbGranularity.Domain, new(Domain));
        Assert.Equal([OwedInvalidation.OfContext(ContextGranularity.Device, new(Domain), RemappingWorld.Device), domain], use.Owed);

        // Back to the old domain with new tables: what is left of the old ones answers, and the context is not owed any more.
        world.PutContext(RemappingWorld.Device, world.Context(other, Domain));
        world.InvalidateContext(ContextGranularity.Device, Domain, RemappingWorld.Device);
        Assert.True(Reads(world, 0x1000));
        use = world.TakeStaleUse();
        Assert.Equal(CacheKind.Iotlb, use.Cache);
        Assert.Equal([domain], use.Owed);
        world.InvalidateIotlb(IotlbGranularity.Domain, Domain);
        Assert.False(Reads(world, 0x1000));
        Assert.Empty(world.StaleUses);
    }

    [Fact]
    public void Translations_that_are_invalidated_before_the_context_come_back_and_are_told()
    {
        using RemappingWorld world = Mapped(s_friendly, out _, out _);
        Assert.True(Reads(world, 0x1000));
        world.PutContext(RemappingWorld.Device, world.Context(world.Frame(), Domain));
        world.InvalidateIotlb(IotlbGranularity.Domain, Domain);
        Assert.True(Reads(world, 0x1000));
        Assert.Equal(CacheKind.Context, world.TakeStaleUse().Cache);
        world.InvalidateContext(ContextGranularity.Device, Domain, RemappingWorld.Device);
        Assert.True(Reads(world, 0x1000));
        StaleUse use = world.TakeStaleUse();
        Assert.Equal((CacheKind.Iotlb, WalkStructure.Context), (use.Cache, use.Change.Structure));
    }

    [Fact]
    public void A_root_entry_and_a_root_pointer_that_changed_owe_everything()
    {
        IReadOnlyList<OwedInvalidation> everything =
            [OwedInvalidation.OfContext(ContextGranularity.Global), OwedInvalidation.OfTranslations(IotlbGranularity.Global)];
        using RemappingWorld world = Mapped(s_friendly, out _, out _);
        Assert.True(Reads(world, 0x1000));
        world.PutRoot(RemappingWorld.Device, default);
        Assert.True(Reads(world, 0x1000));
        StaleUse use = world.TakeStaleUse();
        Assert.Equal((CacheKind.Context, WalkStructure.Root), (use.Cache, use.Change.Structure));
        Assert.Equal(everything, use.Owed);

        // A unit that does not invalidate when it takes a root pointer.
        using RemappingWorld moved = Mapped(s_friendly with { Capabilities = s_friendly.Capabilities with { EnhancedSetRootPointer = false } }, out _, out _);
        Assert.True(Reads(moved, 0x1000));
        ulong root = moved.Frame().Value;
        moved.Write(RegisterOffsets.RootTableAddress, root);
        Assert.True(Reads(moved, 0x1000));
        Assert.Empty(moved.StaleUses);
        moved.Command(new() { SetRootTablePointer = true, QueuedInvalidationEnable = true, TranslationEnable = true });
        Assert.True(Reads(moved, 0x1000));
        use = moved.TakeStaleUse();
        Assert.Equal((WalkStructure.Request, RemappingWorld.RootTable, root), (use.Change.Structure, use.Change.Before.Word0, use.Change.After.Word0));
        Assert.Equal(everything, use.Owed);
    }

    [Fact]
    public void Caching_mode_owes_for_what_was_not_there()
    {
        using RemappingWorld world = Mapped(HardwareProfile.Named("hostile"), out PhysicalAddress top, out _);
        SourceId second = new(0, 6, 0);
        Assert.False(Reads(world, 0x9000));
        Assert.False(world.Unit.Open(second).TryTranslate(new(0x1000), false, out _));
        world.Map(top, AddressWidth.Bits48, 0x9000, RemappingWorld.Page(OtherPage));
        world.PutContext(second, world.Context(top, 7));
        Assert.False(Reads(world, 0x9000));
        Assert.Equal([OwedInvalidation.OfPages(new(Domain), new(0x9000), 0, leafOnly: true)], world.TakeStaleUse().Owed);
        Assert.False(world.Unit.Open(second).TryTranslate(new(0x1000), false, out _));
        StaleUse use = world.TakeStaleUse();
        Assert.Equal(
            [OwedInvalidation.OfContext(ContextGranularity.Device, default, second), OwedInvalidation.OfTranslations(IotlbGranularity.Domain, new(7))],
            use.Owed);
    }

    [Fact]
    public void Without_caching_mode_nothing_is_owed_for_what_was_not_there_or_got_more_rights()
    {
        using RemappingWorld world = Mapped(s_friendly, out PhysicalAddress top, out PhysicalAddress leaf);
        world.Put(leaf, RemappingWorld.Page(Page, write: false).Raw.Value);
        Assert.True(Reads(world, 0x1000));
        Assert.False(Reads(world, 0x9000));
        world.Put(leaf, RemappingWorld.Page(Page).Raw.Value);
        world.Map(top, AddressWidth.Bits57, 0x9000, RemappingWorld.Page(OtherPage));
        Assert.True(Reads(world, 0x1000));
        Assert.True(world.Port.TryTranslate(new(0x1000), true, out _));
        Assert.True(Reads(world, 0x9000));
        Assert.Empty(world.StaleUses);
    }

    [Fact]
    public void An_unmapping_that_is_put_off_owes_until_it_is_flushed()
    {
        using BareMetal machine = new(s_friendly);
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await RemappingDriver.Start(
                machine.Cpu, new(BareMetal.UnitAddress), machine.Frames, new(FaultVector: 48) { HostAddressWidth = s_friendly.HostAddressWidth });
            RemappingDomain domain = driver.CreateDomain();
            await driver.Attach(RemappingWorld.Device, domain);
            Assert.Equal(DmaRefusal.None, await domain.Map(new(0x1000), new(64 << 20), 4096, DmaDirection.Bidirectional));
            RemappedPort port = machine.Unit!.Open(RemappingWorld.Device);
            Assert.Equal(DmaStatus.Success, port.Read(new(0x1000), new byte[4]));
            await domain.UnmapDeferred(new(0x1000), 4096);
            Assert.Equal(DmaStatus.Success, port.Read(new(0x1000), new byte[4]));
            StaleUse use = Assert.Single(machine.StaleUses);
            Assert.Equal((CacheKind.Iotlb, InvalidationDescriptorType.Iotlb), (use.Cache, Assert.Single(use.Owed).Type));
            machine.StaleUses.Clear();
            await domain.Flush();
            Assert.Equal(DmaStatus.Blocked, port.Read(new(0x1000), new byte[4]));
        });
    }

    [Fact]
    public void A_device_that_writes_over_a_table_is_named()
    {
        using RemappingWorld world = Mapped(s_friendly, out PhysicalAddress top, out PhysicalAddress leaf);
        world.Map(top, AddressWidth.Bits57, 0x2000, RemappingWorld.Page(leaf.Value & ~0xFFFul));
        Assert.True(Reads(world, 0x1000));
        Assert.Equal(DmaStatus.Success, world.Port.Write(new(0x2000 + (leaf.Value & 0xFFF)), new byte[8]));
        Assert.True(Reads(world, 0x1000));
        Assert.Equal(RemappingWorld.Device, world.TakeStaleUse().Change.Device);
    }

    [Fact]
    public void A_unit_without_a_queue_is_told_the_registers()
    {
        using RemappingWorld world = Mapped(HardwareProfile.Named("minimal") with { TracksStaleness = true }, out _, out _);
        Assert.True(Reads(world, 0x1000));
        world.PutContext(RemappingWorld.Device, default);
        Assert.True(Reads(world, 0x1000));
        StaleUse use = world.TakeStaleUse();
        Assert.False(use.ByQueue);
        Assert.Equal(["CCMD = E000_0000_0020_0005h", "IOTLB = A000_0005_0000_0000h"], use.Owed.Select(owed => owed.ByRegister));
    }

    [Fact]
    public void A_report_can_be_read()
    {
        using RemappingWorld world = Mapped(s_friendly, out PhysicalAddress top, out PhysicalAddress leaf);
        Assert.True(Reads(world, 0x1000));
        world.Put(leaf, 0);
        Assert.True(Reads(world, 0x1040));
        Assert.Equal(
            $"""
            00:04.0 reads 1040h: the IOTLB answers what tables no longer say
              since write 1: second-stage entry of level 1 at {leaf.Value:X}h, 0000000000200003h -> 0000000000000000h, 1 request ago
              missing: IOTLB page-selective, domain 5h, address 1000h, AM 0, IH 1
                       descriptor 0000000000001040_0000000000050032h
            """.ReplaceLineEndings("\n"),
            world.TakeStaleUse().ToString());
    }

    [Fact]
    public void The_document_shows_what_the_sample_prints()
    {
        string[] sample = File.ReadAllLines(Path.Combine(SharedFiles.RepositoryRoot, "samples", "07-missing-invalidation.cs"));
        string document = File.ReadAllText(Path.Combine(SharedFiles.RepositoryRoot, "docs", "invalidation.md")).ReplaceLineEndings("\n");
        IEnumerable<string> report = sample.SkipWhile(line => line != "// It prints:").Skip(3).Take(4).Select(line => line[3..]);
        Assert.Contains($"```\n{string.Join('\n', report)}\n```", document, StringComparison.Ordinal);
    }

    // One page of a device is mapped in a domain, and translation is on.
    private static RemappingWorld Mapped(HardwareProfile profile, out PhysicalAddress top, out PhysicalAddress leaf)
    {
        RemappingWorld world = new(profile);
        top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top, Domain));
        leaf = world.Map(top, RemappingWorld.Widest(profile), 0x1000, RemappingWorld.Page(Page));
        return world.Enable();
    }

    private static bool Reads(RemappingWorld world, ulong address) => world.Port.TryTranslate(new(address), false, out _);
}
