using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Requests of all kinds in scalable mode: with and without PASID, questions for translations, translated ones, and none at all.</summary>
public sealed class ScalableRequestTests
{
    private const ulong Address = ScalableFaultCases.Address;
    private const ulong Page = ScalableFaultCases.Page;
    private const ulong UserPage = Page | 7;
    private static readonly Pasid s_pasid = ScalableFaultCases.Pasid;
    private static readonly DmaAttributes s_user = ScalableFaultCases.User;

    [Theory]
    [InlineData(true, 5)]
    [InlineData(false, 0)]
    public void A_request_without_PASID_uses_the_one_of_the_context_where_the_unit_has_that_field(bool capable, uint expected)
    {
        HardwareProfile profile = HardwareProfile.Named("friendly-scalable");
        using ScalableWorld world = new(profile with { ExtendedCapabilities = profile.ExtendedCapabilities with { RidPasid = capable } });
        foreach (uint pasid in (uint[])[0, 5])
        {
            PasidTableEntry entry = world.Entry(PasidTranslationType.SecondStage);
            world.PutPasid(new(pasid), entry);
            _ = world.MapSecond(entry, Address, (Page + (pasid * 4096)) | 3);
        }

        Assert.True(world.World.Port.TryTranslate(new(Address), write: true, out PhysicalAddress target));
        Assert.Equal(new(Page + (expected * 4096)), target);
    }

    [Fact]
    public void Its_privilege_is_that_of_the_context_and_it_has_no_other()
    {
        HardwareProfile profile = HardwareProfile.Named("friendly-scalable");
        foreach ((bool capable, bool given, bool passes) in ((bool, bool, bool)[])[(true, true, true), (true, false, false), (false, true, false)])
        {
            using ScalableWorld world = new(profile with { ExtendedCapabilities = profile.ExtendedCapabilities with { RidPrivilege = capable } });
            PasidTableEntry entry = world.Entry(PasidTranslationType.FirstStage);
            world.PutPasid(new(5), entry);
            _ = world.MapFirst(entry, Address, Page | 3);
            world.Context = world.Context with { RequesterPrivileged = given };

            // What a request carries of privilege counts only beside a PASID.
            DmaAttributes attributes = new() { Privileged = !given, Execute = true };
            Assert.Equal(passes, world.World.Port.TryTranslate(new(Address), false, attributes, out _));
            Assert.Equal(passes, world.World.Port.TryTranslate(new(Address), false, out _));
            if (passes)
                continue;
            Assert.Equal([FaultReason.UserNotPermitted, FaultReason.UserNotPermitted], world.World.Faults.Select(fault => fault.Fault.Reason));
            Assert.Equal((false, false), (world.World.Record(0).Privileged, world.World.Record(0).Execute));
        }
    }

    [Fact]
    public void Devices_16_to_31_of_a_bus_have_the_upper_half_of_the_root_entry()
    {
        SourceId upper = new(0, 31, 7);
        using ScalableWorld world = Mapped(PasidTranslationType.FirstStage);
        RemappedPort port = world.World.Unit.Open(upper);
        Assert.False(port.TryTranslate(new(Address), false, s_user, out _));
        Assert.Equal(FaultReason.ScalableRootNotPresent, world.World.TakeFault().Fault.Reason);

        // A reserved bit in the other half is nothing to it.
        PhysicalAddress table = world.World.Frame();
        ScalableRootEntry root = new(world.Get<Bits128>(ScalableWorld.RootPlace));
        world.Put(ScalableWorld.RootPlace, (root with { UpperPresent = true, UpperContextTable = table }).Raw.With(5, true));
        world.Put(table + (32ul * 0x7F), world.Context.Raw);
        Assert.True(port.TryTranslate(new(Address), false, s_user, out PhysicalAddress target));
        Assert.Equal(new(Page), target);
        Assert.False(world.World.Port.TryTranslate(new(Address), false, s_user, out _));
        Assert.Equal(FaultReason.ScalableRootReserved, world.World.TakeFault().Fault.Reason);
    }

    [Fact]
    public void Addresses_of_both_halves_are_canonical()
    {
        foreach (int levels in (int[])[4, 5])
        {
            using ScalableWorld world = new(HardwareProfile.Named("friendly-scalable"));
            PasidTableEntry entry = world.Entry(PasidTranslationType.FirstStage, levels);
            world.PutPasid(s_pasid, entry);
            foreach (ulong address in (ulong[])[0x3000, (1ul << (11 + (9 * levels))) - 4096, ulong.MaxValue << (11 + (9 * levels)), ulong.MaxValue - 4095])
            {
                _ = world.MapFirst(entry, address, UserPage);
                Assert.True(world.World.Port.TryTranslate(new(address), true, s_user, out PhysicalAddress target));
                Assert.Equal(new(Page), target);
            }
        }
    }

    [Fact]
    public void In_abort_mode_nothing_passes_and_nothing_is_recorded()
    {
        using ScalableWorld world = Mapped(PasidTranslationType.PassThrough);
        world.World.Write(RegisterOffsets.RootTableAddress, new RootTableAddress { Table = new(RemappingWorld.RootTable), Mode = TranslationTableMode.Abort }.Raw.Value);
        world.World.Command(new() { SetRootTablePointer = true, QueuedInvalidationEnable = true, TranslationEnable = true });
        Assert.Equal(DmaStatus.Blocked, world.World.Port.Read(new(Page), new byte[4]));
        Assert.Equal(DmaStatus.Blocked, world.World.Port.Write(new(Page), new byte[4], s_user));
        Assert.Equal(DmaStatus.Blocked, world.World.Port.Write(new(Page), new byte[4], new(AddressType.Translated)));
        Assert.Equal(TranslationStatus.UnsupportedRequest, world.World.Port.RequestTranslation(new(Page), true, s_user).Status);
        Assert.False(world.World.Unit.Explain(RemappingWorld.Device, new(Page), false).Passes);
        Assert.Empty(world.World.Faults);
        Assert.False(world.World.FaultStatus.PrimaryPendingFault);
    }

    [Fact]
    public void A_requester_that_was_served_in_legacy_mode_meets_the_new_mode_at_once()
    {
        using RemappingWorld world = new(HardwareProfile.Named("friendly-scalable"));
        PhysicalAddress top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top));
        _ = world.Map(top, RemappingWorld.Widest(world.Profile), 0x5000, RemappingWorld.Page(Page));
        _ = world.Enable();
        Assert.True(world.Port.TryTranslate(new(0x5000), false, out _));
        world.Write(RegisterOffsets.RootTableAddress, RemappingWorld.RootTable | (3ul << 10));
        world.Command(new() { SetRootTablePointer = true, QueuedInvalidationEnable = true, TranslationEnable = true });
        Assert.False(world.Port.TryTranslate(new(0x5000), false, out _));
    }

    [Fact]
    public void A_request_with_PASID_is_translated_in_the_interrupt_range_too()
    {
        using ScalableWorld world = new(HardwareProfile.Named("friendly-scalable"));
        PasidTableEntry entry = world.Entry(PasidTranslationType.FirstStage);
        world.PutPasid(s_pasid, entry);
        _ = world.MapFirst(entry, InterruptRange.First, UserPage);
        Assert.Equal(DmaStatus.Success, world.World.Port.Write(new(InterruptRange.First + 8), [1, 2, 3, 4], s_user));
        Assert.Equal(0x04030201u, world.Get<uint>(new(Page + 8)));
        Assert.Empty(world.World.Messages);
        Assert.Equal(DmaStatus.Success, world.World.Port.Write(new(InterruptRange.First), [0x41, 0, 0, 0]));
        Assert.Equal(0x41u, Assert.Single(world.World.Messages).Data);
    }

    [Fact]
    public void A_translated_request_goes_where_it_says_whatever_the_PASID_entry_is()
    {
        using ScalableWorld world = Mapped(PasidTranslationType.FirstStage);
        DmaAttributes translated = s_user with { AddressType = AddressType.Translated };
        world.PutPasid(s_pasid, default);
        Assert.Equal(DmaStatus.Success, world.World.Port.Write(new(Page + 16), [9], translated));
        Assert.Equal(9, world.Get<byte>(new(Page + 16)));
        WalkTranscript told = world.World.Unit.Explain(RemappingWorld.Device, new(Page + 16), true, translated);
        Assert.Equal((true, new(Page + 16), 0ul), (told.Passes, told.Target, told.PageBytes));
    }

    [Fact]
    public void A_page_in_protected_memory_is_not_reached_without_translation()
    {
        HardwareProfile profile = HardwareProfile.Named("friendly-scalable");
        profile = profile with { Capabilities = profile.Capabilities with { ProtectedLowMemory = true } };
        using ScalableWorld world = new(profile);
        world.PutPasid(s_pasid, world.Entry(PasidTranslationType.PassThrough));
        world.World.Write(RegisterOffsets.ProtectedLowBase, Page, 4);
        world.World.Write(RegisterOffsets.ProtectedLowLimit, Page, 4);
        Assert.Equal(DmaStatus.Success, world.World.Port.Write(new(Page), [1], s_user));
        world.World.Write(RegisterOffsets.ProtectedMemoryEnable, 1ul << 31, 4);
        Assert.Equal(DmaStatus.Blocked, world.World.Port.Write(new(Page), [2], s_user));
        Assert.Equal(1, world.Get<byte>(new(Page)));
    }

    [Fact]
    public void A_nested_walk_of_four_levels_each_reads_24_entries_and_shows_which_is_which()
    {
        using ScalableWorld world = Mapped(PasidTranslationType.Nested);
        WalkTranscript told = world.World.Unit.Explain(RemappingWorld.Device, new(Address), false, s_user);
        (WalkStructure, int)[] levels = [.. Enumerable.Range(0, 4).Select(index => (WalkStructure.SecondStageOfTable, 4 - index))];
        IEnumerable<(WalkStructure, int)> reads = Enumerable.Range(0, 4).SelectMany(index => levels.Append((WalkStructure.FirstStage, 4 - index)));

        // Nothing is marked yet, so each entry is looked at for writing, too, before it is marked.
        IEnumerable<(WalkStructure, int)> marks = Enumerable.Range(0, 4).SelectMany(index => levels.Append((WalkStructure.FirstStage, 4 - index)).Concat(levels));
        (WalkStructure, int)[] ends = [.. levels.Select(level => (WalkStructure.SecondStage, level.Item2))];
        (WalkStructure, int)[] begins =
            [(WalkStructure.Request, 0), (WalkStructure.ScalableRoot, 0), (WalkStructure.ScalableContext, 0), (WalkStructure.PasidDirectory, 0), (WalkStructure.PasidEntry, 0)];
        Assert.Equal([.. begins, .. marks, .. ends], told.Steps.Select(step => (step.Structure, step.Level)));
        Assert.All(told.Steps.SelectMany(step => step.Checks), check => Assert.True(check.Passed));
        Assert.True(world.World.Port.TryTranslate(new(Address), false, s_user, out _));
        told = world.World.Unit.Explain(RemappingWorld.Device, new(Address), false, s_user);
        Assert.Equal([.. begins, .. reads, .. ends], told.Steps.Select(step => (step.Structure, step.Level)));
    }

    [Fact]
    public void An_atomic_operation_finds_what_was_there_and_changes_it_only_if_that_was_expected()
    {
        using ScalableWorld world = Mapped(PasidTranslationType.Nested);
        IDmaPort port = world.World.Port;
        world.Put(new(Page + 8), 5ul);
        Assert.Equal(DmaStatus.Success, port.CompareSwap(new(Address + 8), compare: 4, swap: 7, out ulong found, s_user));
        Assert.Equal((5ul, 5ul), (found, world.Get<ulong>(new(Page + 8))));
        Assert.Equal(DmaStatus.Success, port.CompareSwap(new(Address + 8), compare: 5, swap: 7, out found, s_user));
        Assert.Equal((5ul, 7ul), (found, world.Get<ulong>(new(Page + 8))));
        Assert.Equal(DmaStatus.Unclaimed, port.CompareSwap(new(Address + 4), compare: 0, swap: 7, out _, s_user));
        Assert.Equal(DmaStatus.Blocked, port.CompareSwap(new(Address + 4096), compare: 0, swap: 7, out found, s_user));
        Assert.Equal(0ul, found);
        (RemappingFault fault, _) = world.World.TakeFault();
        Assert.Equal((FaultReason.FirstStageNotPresent, true), (fault.Reason, fault.Attributes.Atomic));
        Assert.Equal((true, true), (world.World.Record(0).Type1, world.World.Record(0).Type2));
    }

    private static ScalableWorld Mapped(PasidTranslationType type) =>
        ScalableFaultCases.Create(new(default, default, type, (_, _) => { }), out _);
}
