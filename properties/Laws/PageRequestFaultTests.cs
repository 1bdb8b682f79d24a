using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Page requests that a unit refuses, each by the path that the reference sheet names (sections 6.3, 6.7 and 11).</summary>
public sealed class PageRequestFaultTests
{
    private static readonly Pasid s_pasid = new(0x12345);

    public static TheoryData<FaultReason> Reasons => [.. Spoilers.Keys];

    // What is wrong; whether FPD of the context keeps the fault out of the records.
    private static IReadOnlyDictionary<FaultReason, (Action<PageRequestWorld> Spoil, bool IsQualified)> Spoilers { get; } =
        new Dictionary<FaultReason, (Action<PageRequestWorld>, bool)>
        {
            [FaultReason.TranslationModeInvalid] = (world => SetMode(world, RemappingWorld.RootTable, 2), false),
            [FaultReason.PageRequestInLegacyMode] = (world => SetMode(world, RemappingWorld.RootTable, 0), false),
            [FaultReason.ScalableRootAccess] = (world => SetMode(world, ScalableFaultCases.Nowhere, 1), false),
            [FaultReason.ScalableRootNotPresent] = (world => world.Tables.Put(ScalableWorld.RootPlace, 0ul), false),
            [FaultReason.ScalableRootReserved] = (world => world.Tables.Put(ScalableWorld.RootPlace, world.Tables.Get<ulong>(ScalableWorld.RootPlace) | 2), false),
            [FaultReason.ScalableContextAccess] = (world => world.Tables.Put(ScalableWorld.RootPlace, ScalableFaultCases.Nowhere | 1), false),
            [FaultReason.ScalableContextNotPresent] = (world => Set(world, context => context with { Present = false }), true),
            [FaultReason.ScalableContextReserved] = (world => Set(world, context => new(context.Raw.With(255, true))), true),
            [FaultReason.PasidDisabled] = (world => Set(world, context => context with { PasidEnabled = false }), true),
            [FaultReason.PasidBeyondDirectory] = (world => Set(world, context => context with { PasidDirectorySize = 3 }), true),
            [FaultReason.PageRequestsDisabled] = (world => Set(world, context => context with { PageRequestsEnabled = false }), true),
        };

    [Theory]
    [MemberData(nameof(Reasons))]
    public void A_page_request_that_tables_refuse_is_recorded_as_one_and_its_last_request_fails(FaultReason reason)
    {
        using PageRequestWorld world = new();
        (Action<PageRequestWorld> spoil, bool isQualified) = Spoilers[reason];
        spoil(world);
        world.Ask(0x7000, group: 5, isLast: false, pasid: s_pasid);
        Assert.Empty(world.Responses);
        Assert.Equal(reason, world.World.TakeFault().Fault.Reason);
        world.Ask(0x8123, group: 5, pasid: s_pasid);
        Assert.Equal([new(5, s_pasid, PageResponseCode.Failure)], world.Responses);

        // T1 and T2 say what it was: 0 and 1.
        (RemappingFault fault, FaultDisposition disposition) = world.World.TakeFault();
        Assert.Equal((reason, true, FaultDisposition.Recorded), (fault.Reason, fault.IsPageRequest, disposition));
        FaultRecord record = world.World.Record(1);
        Assert.Equal(
            (reason, RemappingWorld.Device, new Iova(0x8000), false, true, true, s_pasid),
            (record.Reason, record.Source, record.Address, record.Type1, record.Type2, record.PasidPresent, record.Pasid));
        Assert.Equal((0ul, 0ul), (world.Tail, world.Status.Raw.Value));
        if (!isQualified)
            return;
        Set(world, context => context with { FaultProcessingDisable = true });
        world.Ask(0x9000, pasid: s_pasid);
        Assert.Equal(FaultDisposition.Suppressed, world.World.TakeFault().Disposition);
        Assert.Equal(2, world.Responses.Count);
    }

    [Fact]
    public void A_page_request_without_PASID_needs_neither_PASIDs_nor_an_entry_of_one()
    {
        using PageRequestWorld world = new();
        Set(world, context => context with { PasidEnabled = false, PasidDirectorySize = 0, RequesterPasid = new(0xF_FFFF) });
        world.World.Port.RequestPage(new(new(0x1234_5000), 0x1FF, true, true, true, new() { Execute = true, Privileged = true }));
        Assert.Equal(32ul, world.Tail);
        Assert.Equal(
            new PageRequestDescriptor { Type = 1, Requester = RemappingWorld.Device, Read = true, Write = true, LastInGroup = true, Group = 0x1FF, Address = new(0x1234_5000) },
            world.At(0));
        Assert.Empty(world.World.Faults);
        Assert.Empty(world.Responses);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_page_request_while_nothing_is_translated_fails_without_a_record(bool aborts)
    {
        using PageRequestWorld world = new();
        if (aborts)
            SetMode(world, RemappingWorld.RootTable, 3);
        else
            world.World.Command(new() { QueuedInvalidationEnable = true });
        world.Ask(0x7000, group: 3);
        Assert.Equal([new(3, null, PageResponseCode.Failure)], world.Responses);
        Assert.Empty(world.World.Faults);
        Assert.Equal(0ul, world.Tail);
    }

    [Fact]
    public void A_page_request_whose_queue_is_no_memory_fails_and_changes_nothing()
    {
        using PageRequestWorld world = new();
        world.World.Write(RegisterOffsets.PageRequestQueueAddress, ScalableFaultCases.Nowhere);
        world.Ask(0x7000, group: 3, isLast: false);
        world.Ask(0x8000, group: 3);
        Assert.Equal([new(3, null, PageResponseCode.Failure)], world.Responses);
        Assert.Equal((0ul, 0ul), (world.Tail, world.Status.Raw.Value));
    }

    [Fact]
    public void A_unit_without_page_requests_drops_them()
    {
        HardwareProfile profile = HardwareProfile.Named("friendly-scalable");
        profile = profile with { ExtendedCapabilities = profile.ExtendedCapabilities with { PageRequests = false } };
        using PageRequestWorld world = new(profile);
        world.Ask(0x7000);
        Assert.Empty(world.Responses);
        Assert.Empty(world.World.Faults);
    }

    private static void Set(PageRequestWorld world, Func<ScalableContextEntry, ScalableContextEntry> change) =>
        world.Tables.Context = change(world.Tables.Context);

    private static void SetMode(PageRequestWorld world, ulong table, ulong mode)
    {
        world.World.Write(RegisterOffsets.RootTableAddress, table | (mode << 10));
        world.World.Command(new() { SetRootTablePointer = true, QueuedInvalidationEnable = true, TranslationEnable = true });
    }
}
