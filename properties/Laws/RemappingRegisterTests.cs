using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The registers of a unit: what resets to what, what can be written, and what writing sets off.</summary>
public sealed class RemappingRegisterTests
{
    public static TheoryData<string> Profiles => [.. HardwareProfile.Names];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void After_reset_only_capabilities_and_event_masks_are_not_zero(string name)
    {
        using RemappingWorld world = new(name);
        HardwareProfile profile = world.Profile;
        bool queue = profile.ExtendedCapabilities.QueuedInvalidation;
        for (int offset = 0; offset < world.Unit.WindowLength; offset += 8)
        {
            ulong expected = offset switch
            {
                RegisterOffsets.Version => profile.Version.Raw.Value,
                RegisterOffsets.Capability => profile.Capabilities.Raw.Value,
                RegisterOffsets.ExtendedCapability => profile.ExtendedCapabilities.Raw.Value,
                RegisterOffsets.FaultEventControl => 0x8000_0000,
                RegisterOffsets.InvalidationEventControl when queue => 0x8000_0000,
                RegisterOffsets.PageRequestEventControl when profile.ExtendedCapabilities.PageRequests => 0x8000_0000,
                RegisterOffsets.MtrrCapability when profile.ExtendedCapabilities.MemoryTypes => 0x50A,
                _ => 0,
            };
            Assert.True(expected == world.Read(offset), $"{name} {offset:X}h");
        }
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void What_is_written_anywhere_neither_throws_nor_changes_what_the_unit_can_do(string name)
    {
        using RemappingWorld world = new(name);
        Random random = new((int)Property.Seed);
        for (int step = 0; step < Property.Cases(5_000); step++)
        {
            int width = random.Next(10) == 0 ? 1 << random.Next(4) : 4 << random.Next(2);
            int offset = random.Next(world.Unit.WindowLength + 16) & (random.Next(10) == 0 ? -1 : -width);
            ulong value = (ulong)random.NextInt64() & (ulong)random.NextInt64() << random.Next(64);
            world.Write(offset, value, width);
            _ = world.Read(offset, width);
            if (random.Next(50) == 0)
                _ = world.Port.Write(new((ulong)random.NextInt64()), new byte[4]);
        }

        Assert.Equal(world.Profile.Capabilities.Raw.Value, world.Read(RegisterOffsets.Capability));
        Assert.Equal(world.Profile.ExtendedCapabilities.Raw.Value, world.Read(RegisterOffsets.ExtendedCapability));
        Assert.Equal(0ul, world.Read(RegisterOffsets.GlobalCommand, 4));
    }

    [Fact]
    public void An_access_that_is_not_aligned_or_not_four_or_eight_bytes_wide_does_nothing()
    {
        using RemappingWorld world = new("friendly");
        world.Write(RegisterOffsets.RootTableAddress, 0x1234_5000);
        foreach ((int offset, int width) in ((int, int)[])[(0x20, 1), (0x20, 2), (0x22, 4), (0x24, 8), (0x1C, 8)])
        {
            Assert.Equal(RegisterFile.AllOnes(width), world.Read(offset, width));
            world.Write(offset, 0, width);
        }

        Assert.Equal(0x1234_5000ul, world.Read(RegisterOffsets.RootTableAddress));
    }

    [Fact]
    public void The_root_table_address_counts_when_it_is_set_and_not_when_it_is_written()
    {
        foreach (bool enhanced in (bool[])[false, true])
        {
            HardwareProfile friendly = HardwareProfile.Named("friendly");
            using RemappingWorld world = new(friendly with { Capabilities = friendly.Capabilities with { EnhancedSetRootPointer = enhanced } });
            PhysicalAddress top = world.Frame();
            world.PutContext(RemappingWorld.Device, world.Context(top));
            world.Map(top, AddressWidth.Bits57, 0x1000, RemappingWorld.Page(0x20_0000));
            _ = world.Enable();
            Assert.True(world.GlobalStatus.RootTablePointerSet);
            Assert.True(world.Port.TryTranslate(new(0x1000), false, out _));
            world.Write(RegisterOffsets.RootTableAddress, world.Frame().Value);
            world.InvalidateContext(ContextGranularity.Global);
            Assert.True(world.Port.TryTranslate(new(0x1000), false, out _));

            // The new root table is empty; what the caches hold of the old one depends on ESRTPS.
            world.Command(new() { SetRootTablePointer = true, TranslationEnable = true, QueuedInvalidationEnable = true });
            Assert.Equal(!enhanced, world.Port.TryTranslate(new(0x1000), false, out _));
            world.InvalidateContext(ContextGranularity.Global);
            world.InvalidateIotlb(IotlbGranularity.Global);
            Assert.False(world.Port.TryTranslate(new(0x1000), false, out _));
        }
    }

    [Fact]
    public void Without_translation_addresses_are_memory_addresses_and_switching_it_off_forgets_nothing()
    {
        using RemappingWorld world = new("friendly");
        PhysicalAddress top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top));
        PhysicalAddress leaf = world.Map(top, AddressWidth.Bits57, 0x1000, RemappingWorld.Page(0x20_0000));
        Assert.True(world.Port.TryTranslate(new(0x1000), true, out PhysicalAddress target));
        Assert.Equal(0x1000ul, target.Value);
        _ = world.Enable();
        Assert.True(world.Port.TryTranslate(new(0x1000), true, out target));
        Assert.Equal(0x20_0000ul, target.Value);
        world.Command(new() { QueuedInvalidationEnable = true });
        Assert.True(world.Port.TryTranslate(new(0x1000), true, out target));
        Assert.Equal(0x1000ul, target.Value);
        world.Put(leaf, 0);
        world.Command(new() { QueuedInvalidationEnable = true, TranslationEnable = true });
        Assert.True(world.Port.TryTranslate(new(0x1000), true, out target));
        Assert.Equal(0x20_0000ul, target.Value);
        world.Unit.Reset();
        Assert.True(world.Port.TryTranslate(new(0x1000), true, out target));
        Assert.Equal(0x1000ul, target.Value);
        _ = world.Enable();
        Assert.False(world.Port.TryTranslate(new(0x1000), true, out _));
    }

    [Fact]
    public void Commands_by_register_report_what_was_done()
    {
        using RemappingWorld world = new("friendly");
        int iotlb = RegisterOffsets.IotlbInvalidate(world.Profile.ExtendedCapabilities);
        int address = RegisterOffsets.InvalidateAddress(world.Profile.ExtendedCapabilities);
        for (int granularity = 0; granularity < 4; granularity++)
        {
            world.Write(iotlb, new IotlbInvalidate { Invalidate = true, RequestedGranularity = (IotlbGranularity)granularity }.Raw.Value);
            Assert.Equal((IotlbGranularity)granularity, new IotlbInvalidate(new(world.Read(iotlb))).ActualGranularity);
            world.Write(RegisterOffsets.ContextCommand, new ContextCommand { Invalidate = true, RequestedGranularity = (ContextGranularity)granularity }.Raw.Value);
            Assert.Equal((ContextGranularity)granularity, new ContextCommand(new(world.Read(RegisterOffsets.ContextCommand))).ActualGranularity);
        }

        // The trigger is in the upper half; the range is checked against CAP.MAMV.
        world.Write(address, 19);
        world.Write(iotlb + 4, 0xB000_0000, 4);
        Assert.Equal(0x3000_0000ul, world.Read(iotlb + 4, 4));
        Assert.Equal(0ul, world.Read(address));

        // While the queue is on, nothing is done, and software is not left waiting.
        _ = world.Enable();
        world.Write(iotlb, new IotlbInvalidate { Invalidate = true, RequestedGranularity = IotlbGranularity.Global }.Raw.Value);
        Assert.Equal(0x1000_0000ul, world.Read(iotlb + 4, 4));
        world.Write(RegisterOffsets.ContextCommand, new ContextCommand { Invalidate = true, RequestedGranularity = ContextGranularity.Global }.Raw.Value);
        Assert.Equal(ContextGranularity.Reserved, new ContextCommand(new(world.Read(RegisterOffsets.ContextCommand))).ActualGranularity);
    }

    [Fact]
    public void A_unit_without_page_selective_invalidation_does_the_whole_domain_and_says_so()
    {
        using RemappingWorld world = new("minimal");
        PhysicalAddress top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top));
        PhysicalAddress leaf = world.Map(top, AddressWidth.Bits39, 0x1000, RemappingWorld.Page(0x20_0000));
        _ = world.Enable();
        Assert.True(world.Port.TryTranslate(new(0x1000), false, out _));
        world.Put(leaf, 0);
        world.InvalidateIotlb(IotlbGranularity.Page, 1, 0x77_7000);
        int iotlb = RegisterOffsets.IotlbInvalidate(world.Profile.ExtendedCapabilities);
        Assert.Equal(IotlbGranularity.Domain, new IotlbInvalidate(new(world.Read(iotlb))).ActualGranularity);
        Assert.False(world.Port.TryTranslate(new(0x1000), false, out _));
    }

    [Fact]
    public void A_unit_of_version_6_has_no_commands_by_register()
    {
        using RemappingWorld world = new(HardwareProfile.Named("friendly") with { Version = new() { Major = 6 } });
        world.Write(RegisterOffsets.ContextCommand, ulong.MaxValue);
        world.Write(RegisterOffsets.IotlbInvalidate(world.Profile.ExtendedCapabilities), ulong.MaxValue);
        Assert.Equal(0ul, world.Read(RegisterOffsets.ContextCommand));
        Assert.Equal(0ul, world.Read(RegisterOffsets.IotlbInvalidate(world.Profile.ExtendedCapabilities)));
    }

    [Fact]
    public void A_unit_without_a_queue_has_none_of_its_registers_and_cannot_switch_it_on()
    {
        using RemappingWorld world = new("minimal");
        for (int offset = RegisterOffsets.InvalidationQueueHead; offset <= RegisterOffsets.InvalidationQueueErrorRecord; offset += 8)
        {
            world.Write(offset, ulong.MaxValue);
            Assert.Equal(0ul, world.Read(offset));
        }

        world.Command(new() { QueuedInvalidationEnable = true });
        Assert.False(world.GlobalStatus.QueuedInvalidationEnabled);
    }

    [Fact]
    public void Protected_memory_is_closed_to_what_is_not_translated()
    {
        using RemappingWorld world = new("xeon-scalable");
        world.Write(RegisterOffsets.ProtectedLowBase, ulong.MaxValue, 4);
        Assert.Equal(0xFFE0_0000ul, world.Read(RegisterOffsets.ProtectedLowBase, 4));
        world.Write(RegisterOffsets.ProtectedLowBase, 0x20_0000, 4);
        world.Write(RegisterOffsets.ProtectedLowLimit, 0x20_0000, 4);
        world.Write(RegisterOffsets.ProtectedHighBase, 1ul << 40);
        world.Write(RegisterOffsets.ProtectedHighLimit, 1ul << 40);
        Assert.True(world.Port.TryTranslate(new(0x20_0000), true, out _));
        world.Write(RegisterOffsets.ProtectedMemoryEnable, 1ul << 31, 4);
        Assert.Equal(0x8000_0001ul, world.Read(RegisterOffsets.ProtectedMemoryEnable, 4));
        Assert.True(world.Port.TryTranslate(new(0x1F_FFFF), true, out _));
        Assert.False(world.Port.TryTranslate(new(0x20_0000), true, out _));
        Assert.False(world.Port.TryTranslate(new(0x3F_FFFF), true, out _));
        Assert.True(world.Port.TryTranslate(new(0x40_0000), true, out _));
        Assert.False(world.Port.TryTranslate(new(1ul << 40), true, out _));

        // Pass-through is not translated either; a page that is translated may lie there.
        PhysicalAddress top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(default) with { TranslationType = TranslationType.PassThrough });
        world.PutContext(new(0, 5, 0), world.Context(top, 2));
        world.Map(top, AddressWidth.Bits48, 0x5000, RemappingWorld.Page(0x20_0000));
        _ = world.Enable();
        Assert.False(world.Port.TryTranslate(new(0x20_0000), true, out _));
        Assert.True(world.Port.TryTranslate(new(0x40_0000), true, out _));
        Assert.True(world.Unit.Open(new(0, 5, 0)).TryTranslate(new(0x5000), true, out _));
        world.Write(RegisterOffsets.ProtectedLowBase, 0x40_0000, 4);
        world.Write(RegisterOffsets.ProtectedLowLimit, 0x40_0000, 4);
        Assert.True(world.Port.TryTranslate(new(0x20_0000), true, out _));
        Assert.False(world.Port.TryTranslate(new(0x40_0000), true, out _));
        Assert.Empty(world.Faults);
    }

    [Fact]
    public void Each_protected_region_is_there_for_itself()
    {
        HardwareProfile friendly = HardwareProfile.Named("friendly");
        foreach (bool low in (bool[])[false, true])
        {
            using RemappingWorld world = new(friendly with { Capabilities = friendly.Capabilities with { ProtectedLowMemory = low, ProtectedHighMemory = !low } });
            foreach (int offset in (int[])[RegisterOffsets.ProtectedLowBase, RegisterOffsets.ProtectedLowLimit])
                world.Write(offset, 0x40_0000, 4);
            foreach (int offset in (int[])[RegisterOffsets.ProtectedHighBase, RegisterOffsets.ProtectedHighLimit])
                world.Write(offset, 1ul << 33);
            world.Write(RegisterOffsets.ProtectedMemoryEnable, 1ul << 31, 4);

            // The other region is not there: it does not close what lies at the zero that its registers read.
            Assert.Equal(!low, world.Port.TryTranslate(new(0x40_0000), true, out _));
            Assert.Equal(low, world.Port.TryTranslate(new(1ul << 33), true, out _));
            Assert.True(world.Port.TryTranslate(new(0), true, out _));

            // A limit below its base is an empty region, and a region that is switched off is open.
            world.Write(RegisterOffsets.ProtectedLowBase, 0x60_0000, 4);
            world.Write(RegisterOffsets.ProtectedHighBase, 1ul << 34);
            Assert.True(world.Port.TryTranslate(new(0x40_0000), true, out _));
            Assert.True(world.Port.TryTranslate(new(1ul << 33), true, out _));
            world.Write(RegisterOffsets.ProtectedMemoryEnable, 0, 4);
            Assert.Equal(0ul, world.Read(RegisterOffsets.ProtectedMemoryEnable, 4));
        }
    }

    [Fact]
    public void The_mode_can_be_chosen_only_on_a_unit_that_has_several()
    {
        const ulong Mode = 3 << 10;
        using RemappingWorld legacy = new("friendly");
        legacy.Write(RegisterOffsets.RootTableAddress, RemappingWorld.RootTable | Mode);
        Assert.Equal(RemappingWorld.RootTable, legacy.Read(RegisterOffsets.RootTableAddress));
        using RemappingWorld scalable = new("friendly-scalable");
        scalable.Write(RegisterOffsets.RootTableAddress, RemappingWorld.RootTable | Mode);
        Assert.Equal(RemappingWorld.RootTable | Mode, scalable.Read(RegisterOffsets.RootTableAddress));
    }

    [Fact]
    public void The_mode_counts_when_the_root_table_is_set_and_not_when_it_is_written()
    {
        using RemappingWorld world = new("friendly-scalable");
        world.PutContext(RemappingWorld.Device, world.Context(default) with { TranslationType = TranslationType.PassThrough });
        _ = world.Enable();
        world.Write(RegisterOffsets.RootTableAddress, new RootTableAddress { Table = new(RemappingWorld.RootTable), Mode = TranslationTableMode.Abort }.Raw.Value);
        Assert.True(world.Port.TryTranslate(new(0x1000), false, out _));
        world.Command(new() { SetRootTablePointer = true, QueuedInvalidationEnable = true, TranslationEnable = true });
        Assert.False(world.Port.TryTranslate(new(0x1000), false, out _));
        Assert.Empty(world.Faults);
    }

    [Fact]
    public void Whatever_is_commanded_the_status_shows_levels_as_they_are_and_never_a_command_that_is_done() => Property.Check(
        from name in Gen.Elements<string>([.. HardwareProfile.Names])
        from commands in Generate.Any64.ArrayOf()
        select (name, commands),
        given =>
        {
            // Interrupt remapping, bits 25 to 23, has a status of its own.
            const uint Seen = 0xFC00_0000;
            using RemappingWorld world = new(HardwareProfile.Named(given.name), 1 << 20);
            bool queue = world.Profile.ExtendedCapabilities.QueuedInvalidation;
            uint taken = 0;
            foreach (ulong command in given.commands)
            {
                world.Write(RegisterOffsets.GlobalCommand, (uint)command, 4);
                taken |= (uint)command & (1u << 30);
                uint levels = (uint)command & (queue ? (1u << 31) | (1u << 26) : 1u << 31);
                Assert.Equal(levels | taken, (uint)world.Read(RegisterOffsets.GlobalStatus, 4) & Seen);
                Assert.Equal(0ul, world.Read(RegisterOffsets.GlobalCommand, 4));
            }
        },
        100);

    [Fact]
    public void A_write_buffer_flush_is_done_at_once()
    {
        using RemappingWorld world = new RemappingWorld("hostile").Enable();
        GlobalStatus before = world.GlobalStatus;
        world.Command(new() { QueuedInvalidationEnable = true, TranslationEnable = true, WriteBufferFlush = true });
        Assert.Equal(before, world.GlobalStatus);
    }

    [Fact]
    public void A_profile_that_does_not_exist_is_refused_with_the_names_of_those_that_do()
    {
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => HardwareProfile.Named("unheard-of"));
        Assert.All(HardwareProfile.Names, name => Assert.Contains(name, refusal.Message, StringComparison.Ordinal));
    }
}
