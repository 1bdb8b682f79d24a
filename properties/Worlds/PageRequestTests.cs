using Dma.Devices;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A device in the address spaces of processes, from its page request to the answer and back.</summary>
public sealed class PageRequestTests
{
    private const uint ReadCommand = 1, WriteCommand = 2, FollowCommand = 3, StopCommand = 4;
    private static readonly Pasid s_first = new(1), s_second = new(0x1234);

    public static TheoryData<string> Units => ["friendly-scalable", "hostile-scalable"];

    [Theory]
    [MemberData(nameof(Units))]
    public void A_device_reads_and_writes_what_its_process_has_and_the_missing_pages_come(string profile) => Play(profile, async world =>
    {
        PagedProcess process = new(world.Machine);
        ProcessBinding binding = await Bind(world, s_first, process);
        world[0] = 0x1122_3344_5566_7788;
        Assert.Equal(PagingOutcome.Done, await world.Run(WriteCommand, 0x7FFF_1234_5FF8, 16, s_first));
        Assert.Equal(0x1122_3344_5566_7788ul, process.Read(0x7FFF_1234_5FF8));
        Assert.Equal(2, process.Supplied);
        Assert.Equal((2u, 2ul, 2ul), (world.PageRequests, world.Driver.PageRequests!.Requests, world.Driver.PageRequests.Responses));

        // What is there already needs no asking.
        process.Write(0x7FFF_1234_6000, 42);
        Assert.Equal(PagingOutcome.Done, await world.Run(ReadCommand, 0x7FFF_1234_6000, 8, s_first));
        Assert.Equal((42ul, 2u), (world[0], world.PageRequests));
        await End(world, binding);
    });

    [Theory]
    [MemberData(nameof(Units))]
    public void Two_processes_have_two_address_spaces_on_one_device(string profile) => Play(profile, async world =>
    {
        PagedProcess one = new(world.Machine), two = new(world.Machine);
        ProcessBinding first = await Bind(world, s_first, one), second = await Bind(world, s_second, two);

        // The same addresses in both: a list of three nodes far apart.
        Build(one, 100);
        Build(two, 7);
        Assert.Equal(PagingOutcome.Done, await world.Run(FollowCommand, 0x1_0000_0000, 100, s_first));
        Assert.Equal(300ul, world.Sum);
        Assert.Equal(PagingOutcome.Done, await world.Run(FollowCommand, 0x1_0000_0000, 100, s_second));
        Assert.Equal(21ul, world.Sum);
        await End(world, first, second);

        static void Build(PagedProcess process, ulong value)
        {
            ulong[] nodes = [0x1_0000_0000, 0x7F00_0000_0FF0, 0x2_3456_7000];
            for (int at = 0; at < nodes.Length; at++)
            {
                process.Write(nodes[at], at + 1 < nodes.Length ? nodes[at + 1] : 0);
                process.Write(nodes[at] + 8, value);
            }
        }
    });

    [Theory]
    [MemberData(nameof(Units))]
    public void What_a_process_does_not_own_it_does_not_get(string profile) => Play(profile, async world =>
    {
        PagedProcess process = new(world.Machine) { Owns = address => address < 0x10_0000 };
        ProcessBinding binding = await Bind(world, s_first, process);
        Assert.Equal(PagingOutcome.InvalidRequest, await world.Run(ReadCommand, 0x10_0000, 8, s_first));
        Assert.Equal(PagingOutcome.Done, await world.Run(ReadCommand, 0xF_F000, 8, s_first));

        // Neither another PASID nor requests without one are anybody's here: the answer is no, or a refusal.
        Assert.Equal(PagingOutcome.Refused, await world.Run(ReadCommand, 0x1000, 8, s_second));
        Assert.Equal(PagingOutcome.InvalidRequest, await world.Run(ReadCommand, 0x1000, 8, null));
        await End(world, binding);
    });

    [Theory]
    [MemberData(nameof(Units))]
    public void A_page_that_is_taken_away_and_invalidated_is_asked_for_again(string profile) => Play(profile, async world =>
    {
        PagedProcess process = new(world.Machine);
        ProcessBinding binding = await Bind(world, s_first, process);
        process.Write(0x5000, 1);
        Assert.Equal(PagingOutcome.Done, await world.Run(ReadCommand, 0x5000, 8, s_first));
        process.Remove(0x5000);
        await binding.Invalidate(new(0x5000), 4096);
        Assert.Equal(PagingOutcome.Done, await world.Run(ReadCommand, 0x5000, 8, s_first));
        Assert.Equal((0ul, 1u), (world[0], world.PageRequests));
        await End(world, binding);
    });

    [Theory]
    [MemberData(nameof(Units))]
    public void A_binding_that_ends_while_a_page_is_asked_for_leaves_nothing_under_way(string profile) => Play(profile, async world =>
    {
        PagedProcess process = new(world.Machine);
        ProcessBinding binding = await Bind(world, s_first, process);
        for (ulong delay = 0; delay < 8_000; delay += 500)
        {
            world.Begin(ReadCommand, 0x8000_0000 + (delay << 20), 8192, s_first);
            await world.Machine.Cpu.Processor.Delay(delay);
            await binding.Unbind();
            PagingOutcome outcome = await world.End();
            Assert.True(outcome is PagingOutcome.Done or PagingOutcome.Refused or PagingOutcome.InvalidRequest, $"{delay}: {outcome}");
            Assert.Equal(PagingOutcome.Refused, await world.Run(ReadCommand, 0x8000_0000, 8, s_first));

            // Nothing is served any more, so that even asking is over; a new binding begins anew.
            Assert.Equal(PagingOutcome.Done, await world.Run(StopCommand, 0, 0, s_first));
            await world.Requests.Disable();
            world.Requests.Enable(32);
            _ = world.Driver.DrainFaults();
            binding = await Bind(world, s_first, process);
        }

        await End(world, binding);
    });

    [Fact]
    public void A_binding_is_refused_where_it_cannot_be() => Play("friendly-scalable", async world =>
    {
        PagedProcess process = new(world.Machine);
        ProcessBinding binding = await Bind(world, s_first, process);
        foreach ((Pasid pasid, GuestPhysicalAddress table, DmaRefusal refusal) in ((Pasid, GuestPhysicalAddress, DmaRefusal)[])[
            (new(0), process.Root, DmaRefusal.BadRange), (new(1 << 15), process.Root, DmaRefusal.BadRange), (s_second, new(0x123), DmaRefusal.BadRange),
            (s_second, new(1ul << 60), DmaRefusal.BadRange), (s_first, process.Root, DmaRefusal.StillMapped)])
        {
            Assert.Equal((null, refusal), await world.Driver.Processes!.Bind(world.Device.Source, pasid, table, new()));
        }

        await Assert.ThrowsAsync<InvalidOperationException>(() => world.Driver.Detach(world.Device.Source).AsTask());
        await Assert.ThrowsAsync<InvalidOperationException>(() => world.Driver.Processes!.Bind(new(0, 9, 0), s_first, process.Root, new()).AsTask());
        await End(world, binding);
        await Assert.ThrowsAsync<InvalidOperationException>(() => binding.Unbind().AsTask());
    });

    [Theory]
    [MemberData(nameof(Units))]
    public void An_overflow_of_the_queue_only_delays(string profile) => Play(profile, async world =>
    {
        PagedProcess process = new(world.Machine);
        ProcessBinding binding = await Bind(world, s_first, process);

        // It floods the queue for as long as it works.
        RemappedPort flood = world.Machine.Unit!.Open(world.Device.Source);
        world.Begin(WriteCommand, 0x9000_0000, 40_000, s_first);
        for (int round = 0; round < 30; round++)
        {
            for (int at = 0; at < 200; at++)
                flood.RequestPage(new(new((ulong)at << 12), 511, false, true, false, new() { Pasid = s_second }));
            await world.Machine.Cpu.Processor.Delay(1_000);
        }

        Assert.Equal(PagingOutcome.Done, await world.End());
        Assert.NotEqual(0ul, world.Driver.PageRequests!.Overflows);
        await End(world, binding);
    });

    [Fact]
    public void A_device_that_ends_none_of_its_groups_takes_no_room_of_another() => Play("friendly-scalable", async world =>
    {
        SourceId other = new(0, 9, 0);
        PagedProcess process = new(world.Machine), nobody = new(world.Machine);
        ProcessBinding binding = await Bind(world, s_first, process);
        PageRequestHandler handler = world.Driver.PageRequests!;
        Assert.Equal(DmaRefusal.None, await world.Driver.Attach(other, world.Domain));
        await handler.Serve(other, null, nobody);
        RemappedPort hog = world.Machine.Unit!.Open(other), port = world.Machine.Unit.Open(world.Device.Source);
        for (int round = 0; round < 4; round++)
        {
            for (int group = 0; group < 100; group++)
                hog.RequestPage(new(new(0x1000), group, false, true, false, new() { Pasid = s_second }));
            await world.Machine.Cpu.Processor.Delay(10_000);
        }

        port.RequestPage(new(new(0x1000), 7, false, true, false, new() { Pasid = s_first }));
        port.RequestPage(new(new(0x2000), 7, true, true, false, new() { Pasid = s_first }));
        await world.Machine.Cpu.Processor.Delay(20_000);
        Assert.Equal(2, Assert.Single(process.Groups).Pages.Count);

        // What it left is forgotten with its last service, also of address spaces that nobody served.
        await handler.Cease(other, null);
        await handler.Serve(other, s_second, nobody);
        hog.RequestPage(new(new(0x3000), 0, true, true, false, new() { Pasid = s_second }));
        await world.Machine.Cpu.Processor.Delay(20_000);
        Assert.Single(Assert.Single(nobody.Groups).Pages);
        await handler.Cease(other, s_second);
        await world.Driver.Detach(other);
        await End(world, binding);
    });

    [Fact]
    public void A_translation_that_leads_nowhere_is_tried_a_bounded_number_of_times() => Play("friendly-scalable", async world =>
    {
        PagedProcess process = new(world.Machine);
        ProcessBinding binding = await Bind(world, s_first, process);
        process.Lead(0x7000, new(0x3F_0000_0000));
        Assert.Equal(PagingOutcome.TooManyRetries, await world.Run(ReadCommand, 0x7000, 8, s_first));
        Assert.Equal(0u, world.PageRequests);
        await End(world, binding);
    });

    private static async Task<ProcessBinding> Bind(SharedSpaceWorld world, Pasid pasid, PagedProcess process)
    {
        (ProcessBinding? binding, DmaRefusal refusal) = await world.Driver.Processes!.Bind(world.Device.Source, pasid, process.Root, new());
        Assert.Equal(DmaRefusal.None, refusal);
        await world.Driver.PageRequests!.Serve(world.Device.Source, pasid, process);
        return binding!;
    }

    private static async Task End(SharedSpaceWorld world, params ProcessBinding[] bindings)
    {
        foreach (ProcessBinding binding in bindings)
            await binding.Unbind();
        await world.Requests.Disable();
        await world.Driver.Detach(world.Device.Source);
        world.Requests.DisablePasids();
        await world.Driver.Release(world.Domain);
        Assert.Equal(0ul, world.Driver.QueueStops);
    }

    private static void Play(string profile, Func<SharedSpaceWorld, Task> play)
    {
        using SharedSpaceWorld world = new(HardwareProfile.Named(profile));
        world.Machine.Loop.Run(async () =>
        {
            await world.Start();
            await play(world);
            await world.Driver.Shutdown();
            Assert.Equal(0, world.Driver.FramesInUse);
        });
    }
}
