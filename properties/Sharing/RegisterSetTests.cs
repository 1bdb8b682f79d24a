using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Several register sets on one bus: each in time, none starved, and none touched by what another does.</summary>
public sealed class RegisterSetTests
{
    private const uint FetchNs = 300;
    private const uint QuantumNs = 16_000;

    // A visit takes no longer than a packet of 512 bytes that nobody answers.
    private static readonly uint s_visitNsMax = WireTime.HighSpeedUnanswered(512);

    private static Gen<SharingPolicy> FairPolicy => Gen.Elements(
        SharingPolicy.RoundRobinByTransaction, SharingPolicy.RoundRobinByPass, SharingPolicy.DeficitRoundRobin, SharingPolicy.Weighted);

    private static Gen<SetLoad> Load =>
        from async in Gen.Choose(0, 512).ArrayOf(3)
        from asyncCount in Gen.Choose(0, 3)
        from idle in Gen.Choose(0, 3)
        from periodic in Gen.Choose(0, 512).ArrayOf(4)
        from periodicCount in Gen.Choose(0, 4)
        from mask in Gen.Choose(0, 255)
        select new SetLoad([.. async.Take(asyncCount)], idle, [.. periodic.Take(periodicCount)], (byte)mask);

    [Fact]
    public void In_each_microframe_periodic_work_of_all_comes_first_and_the_wire_is_never_used_twice_at_once() => Property.Check(
        from loads in Load.ArrayOf(4)
        from sets in Gen.Choose(1, 4)
        from policy in Gen.Elements(Enum.GetValues<SharingPolicy>())
        from budgets in Gen.Choose(0, 25).ArrayOf(4)
        select (Loads: loads.Take(sets).ToArray(), policy, budgets),
        world =>
        {
            using SharedBench bench = new(world.Loads.Length, new() { Policy = world.policy });
            for (int set = 0; set < world.Loads.Length; set++)
            {
                bench.Manage(SharedBench.SetRegister(set, EhciManagementOffsets.Budget), (uint)world.budgets[set] * 1000);
                world.Loads[set].Start(bench, set);
            }

            bench.Loop.RunFor(5_000_000);
            foreach (IGrouping<ulong, BusUse> microframe in bench.Uses.GroupBy(use => use.StartNs / SharedBench.MicroframeNs))
            {
                ulong at = microframe.Key * SharedBench.MicroframeNs;
                bool isAsync = false;
                foreach (BusUse use in microframe)
                {
                    Assert.True(use.StartNs >= at);
                    Assert.False(isAsync && use.IsPeriodic);
                    (at, isAsync) = (use.StartNs + use.WireNs, !use.IsPeriodic);
                }

                Assert.True(at <= (microframe.Key + 1) * SharedBench.MicroframeNs);
                for (int set = 0; set < world.Loads.Length; set++)
                {
                    long periodic = microframe.Where(use => use.Set == set && use.IsPeriodic).Sum(use => use.WireNs);
                    Assert.True(periodic <= world.budgets[set] * 1000);
                }

                // Whoever has work is served as long as it fits: what is left is less than a visit, and looks at structures without work.
                bool isBacklogged = world.Loads.Any(load => load.Async.Length != 0) && microframe.Key is > 8 and < 39;
                int structures = world.Loads.Sum(load => load.Async.Length + load.Idle + load.Periodic.Length + 2);
                ulong left = ((microframe.Key + 1) * SharedBench.MicroframeNs) - at;
                Assert.True(!isBacklogged || left <= s_visitNsMax + ((ulong)structures * FetchNs), $"{left} ns idle");
            }
        },
        count: 350);

    [Fact]
    public void Sets_with_work_get_the_same_bus_time_to_within_a_quantum_and_two_visits() => Property.Check(
        from sizes in Gen.Choose(0, 512).ArrayOf(6)
        from sets in Gen.Choose(2, 6)
        from weights in Gen.Choose(1, 4).ArrayOf(6)
        from isWeighted in Gen.Elements(false, true)
        select (Sizes: sizes.Take(sets).ToArray(), weights, isWeighted),
        world =>
        {
            ulong[] times = Share(world.Sizes, new() { Policy = world.isWeighted ? SharingPolicy.Weighted : SharingPolicy.DeficitRoundRobin }, 20_000_000, world.weights);
            double[] units = [.. times.Select((time, set) => (double)time / (world.isWeighted ? world.weights[set] : 1))];
            Assert.True(units.Max() - units.Min() <= QuantumNs + (2 * s_visitNsMax), string.Join(", ", units));
        },
        count: 350);

    [Fact]
    public void Round_robin_serves_each_set_once_before_any_twice() => Property.Check(
        from sizes in Gen.Choose(0, 512).ArrayOf(6)
        from sets in Gen.Choose(2, 6)
        select sizes.Take(sets).ToArray(),
        sizes =>
        {
            using SharedBench bench = Backlogged(sizes, new() { Policy = SharingPolicy.RoundRobinByTransaction });
            bench.Loop.RunFor(5_000_000);
            int[] order = [.. bench.Uses.Select(use => use.Set)];
            for (int at = 0; at + sizes.Length <= order.Length; at++)
                Assert.Equal(sizes.Length, order.AsSpan(at, sizes.Length).ToArray().Distinct().Count());
        },
        count: 60);

    [Fact]
    public void A_greedy_set_starves_others_where_they_are_served_in_sequence_and_nowhere_else()
    {
        int[] sizes = [512, 64, 0];
        ulong[] sequential = Share(sizes, new() { Policy = SharingPolicy.Sequential }, 125_000_000);
        Assert.True(sequential[0] != 0 && sequential[1] == 0 && sequential[2] == 0);
        foreach (SharingPolicy policy in Enum.GetValues<SharingPolicy>().Where(policy => policy != SharingPolicy.Sequential))
            Assert.DoesNotContain(0ul, Share(sizes, new() { Policy = policy }, 125_000_000));
    }

    [Fact]
    public void Equal_sets_have_equal_shares_after_a_thousand_microframes() => Property.Check(
        from policy in FairPolicy
        from size in Gen.Choose(0, 512)
        from sets in Gen.Choose(2, 8)
        select (policy, Sizes: Enumerable.Repeat(size, sets).ToArray()),
        world => Assert.True(Fairness.Jain([.. Share(world.Sizes, new() { Policy = world.policy }, 125_000_000).Select(time => (double)time)]) >= 0.99),
        count: 12);

    [Fact]
    public void It_does_not_matter_which_set_has_which_work() => Property.Check(
        from sizes in Gen.Choose(0, 512).ArrayOf(4)
        from order in Gen.Shuffle<int>([0, 1, 2, 3])
        select (sizes, order),
        world =>
        {
            ulong[] before = Share(world.sizes, new(), 20_000_000);
            ulong[] after = Share([.. world.order.Select(set => world.sizes[set])], new(), 20_000_000);

            // How much all of them get together depends on how their transactions fill the microframes; how it is shared out does not.
            long more = (after.Sum(time => (long)time) - before.Sum(time => (long)time)) / 4;
            for (int set = 0; set < 4; set++)
            {
                long difference = (long)after[set] - (long)before[world.order[set]] - more;
                Assert.True(Math.Abs(difference) <= QuantumNs + (2 * s_visitNsMax), $"{string.Join(' ', before)} became {string.Join(' ', after)}");
            }
        },
        count: 40);

    [Fact]
    public void A_set_that_does_nothing_costs_others_no_more_than_the_read_of_its_frame_list()
    {
        using SharedBench bench = Backlogged([512, 512], new() { Policy = SharingPolicy.DeficitRoundRobin }, sets: 3);
        bench.Loop.RunFor(25_000_000);
        ulong[] without = [bench.TimeOf(0), bench.TimeOf(1)];
        bench.Uses.Clear();
        new SetLoad([], 0, [], 0).Start(bench, 2);
        bench.Loop.RunFor(25_000_000);
        for (int set = 0; set < 2; set++)
            Assert.True(bench.TimeOf(set) + (200 * 2 * FetchNs) + s_visitNsMax >= without[set], $"{without[set]} {bench.TimeOf(set)}");
    }

    [Fact]
    public void A_list_without_head_end_or_work_holds_nobody_up() => Property.Check(
        from policy in FairPolicy
        from idle in Gen.Choose(1, 40)
        select (policy, idle),
        world =>
        {
            using SharedBench bench = Backlogged([512], new() { Policy = world.policy }, sets: 2);
            new SetLoad([], world.idle, [], 0) { HasHead = false }.Start(bench, 1);
            bench.Loop.RunFor(25_000_000);

            // With one turn each, the other still has half the time; a pass of this one may last until it is cut off.
            ulong least = world.policy == SharingPolicy.RoundRobinByPass ? 5_000_000ul : 10_000_000;
            Assert.True(bench.TimeOf(0) >= least, $"{bench.TimeOf(0)} ns of 25 ms");
        },
        count: 20);

    [Fact]
    public void A_write_to_a_register_of_one_set_changes_no_register_of_another() => Property.Check(
        Generate.Program(
            from offset in Gen.Choose(0, 0x9F)
            from width in Generate.Width
            from value in Generate.Any64
            select (offset, width, value),
            20),
        writes =>
        {
            using SharedBench bench = Backlogged([512, 64, 0], new());
            bench.Controller.Usb.Ports[1].Plug(new TaggedDevice(1));
            foreach ((int offset, int width, ulong value) in writes)
            {
                bench.Loop.RunFor(333_000);
                uint[][] before = [bench.Window(0), bench.Window(2)];
                bench.Controller.Interfaces[1].WriteBar(0, (ulong)offset, width, value);
                Assert.Equal(before, [bench.Window(0), bench.Window(2)]);
            }

            bench.Controller.Interfaces[1].ResetFunction();
            bench.Uses.Clear();
            bench.Loop.RunFor(2_000_000);
            Assert.True(bench.Status(0) is { Halted: false, AsyncActive: true } && bench.Status(2) is { Halted: false, AsyncActive: true });
            Assert.True(bench.TimeOf(0) > 500_000 && bench.TimeOf(2) > 500_000 && bench.TimeOf(1) == 0);
        },
        count: 60);

    [Fact]
    public void A_set_whose_list_leaves_its_memory_stops_with_a_host_system_error_and_others_go_on()
    {
        using SharedBench bench = Backlogged([512, 64, 0], new());
        bench.Loop.RunFor(1_000_000);
        bench.Register(1, EhciOperationalOffsets.AsyncListAddress, SharedBench.BaseOf(0));
        bench.Loop.RunFor(1_000_000);
        Assert.True(bench.Status(1) is { HostSystemError: true, Halted: true });
        Assert.True(bench.Status(0) is { HostSystemError: false, Halted: false } && bench.Status(2) is { HostSystemError: false, Halted: false });
        bench.Uses.Clear();
        bench.Loop.RunFor(1_000_000);
        Assert.True(bench.TimeOf(0) != 0 && bench.TimeOf(1) == 0 && bench.TimeOf(2) != 0);
    }

    [Fact]
    public void Where_all_sets_have_one_requester_the_fault_of_one_stops_all()
    {
        using SharedBench bench = Backlogged([512], new() { SharesRequester = true }, sets: 3);
        new SetLoad([64], 0, [], 0).Start(bench, 1);
        bench.Loop.RunFor(1_000_000);

        // The second set is translated as the first one: its own memory is not there.
        Assert.True(bench.Status(1) is { HostSystemError: true, Halted: true });
        Assert.True(bench.Status(0) is { HostSystemError: true, Halted: true });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_driver_that_resets_its_controller_stops_its_own_set_alone_unless_all_have_one_state(bool isShared)
    {
        using SharedBench bench = Backlogged([512, 64, 0], new() { SharesReset = isShared });
        bench.Loop.RunFor(1_000_000);
        uint[][] before = [bench.Window(0)[8..16], bench.Window(2)[8..16]];
        bench.Register(1, EhciOperationalOffsets.UsbCommand, new UsbCommand { Reset = true }.Raw.Value);
        bench.Loop.RunFor(1_000_000);
        bench.Uses.Clear();
        bench.Loop.RunFor(1_000_000);
        Assert.True(bench.Status(1).Halted && bench.TimeOf(1) == 0);
        Assert.Equal((isShared, isShared), (bench.Status(0).Halted, bench.Status(2).Halted));
        Assert.Equal((isShared, isShared), (bench.TimeOf(0) == 0, bench.TimeOf(2) == 0));
        Assert.NotEqual(isShared, before[0][0] == bench.Window(0)[8] && before[1][0] == bench.Window(2)[8]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_port_that_is_taken_while_it_is_in_use_is_out_of_reach_for_the_set_that_had_it(bool isShown)
    {
        using SharedBench bench = new(2, new() { ShowsPortsLeave = isShown });
        for (int number = 0; number < 2; number++)
            bench.Controller.Usb.Ports[number].Plug(new TaggedDevice((byte)(number + 1)));
        bench.Loop.Run(async () =>
        {
            ScheduleGuest[] guests = [new(bench, 0), new(bench, 1)];
            foreach (ScheduleGuest guest in guests)
            {
                guest.Start();
                Assert.Equal(("enabled", "done", "done"), (await guest.ResetPort(), await guest.SetAddress(1), await guest.Configure(1)));
            }

            // In the middle of a transfer of each.
            Task<string> before = guests[0].Bulk(1, isIn: true, 10_240), other = guests[1].Bulk(1, isIn: true, 10_240);
            await bench.Loop.Delay(SharedBench.MicroframeNs);
            bench.Manage(EhciManagementOffsets.FirstPort, 1);
            Assert.Equal(("halted", "done 02 to 02"), (await before, await other));
            Assert.Equal("halted", await guests[0].AskTag(1));
            PortStatusControl port = new(new(bench.Register(0, EhciOperationalOffsets.FirstPort)));
            Assert.Equal(!isShown, port.Connected);

            // The other set has two devices now, and nobody else resets them.
            Assert.Equal("enabled", await guests[1].ResetPort(0));
            Assert.Equal(("done", "done 01"), (await guests[1].SetAddress(2), await guests[1].AskTag(2)));
            Assert.Equal(isShown ? "empty" : "enabled", await guests[0].ResetPort());
            Assert.Equal((isShown ? "done 01" : "halted", "done 02"), (await guests[1].AskTag(2), await guests[1].AskTag(1)));
        });
    }

    [Fact]
    public void A_port_whose_place_in_a_set_is_taken_stays_where_it_is()
    {
        // A set shows fifteen ports: the sixteenth would be where the first one is.
        using SharedBench bench = new(16);
        bench.Manage(EhciManagementOffsets.FirstPort + (4 * 15), 0);
        Assert.Equal(15u, bench.Managed(EhciManagementOffsets.FirstPort + (4 * 15)));
        bench.Manage(EhciManagementOffsets.FirstPort, 0xFF);
        bench.Manage(EhciManagementOffsets.FirstPort + (4 * 15), 0);
        Assert.Equal(0u, bench.Managed(EhciManagementOffsets.FirstPort + (4 * 15)));
    }

    [Fact]
    public void One_set_is_an_ordinary_controller_to_the_nanosecond() => Property.Check(
        Load,
        load =>
        {
            using EhciBench plain = new(new() { PortCount = 1 });
            using SharedBench shared = new(1, new() { Addresses = new() { IsOn = false } });
            shared.Manage(SharedBench.SetRegister(0, EhciManagementOffsets.Budget), SharedBench.MicroframeNs);
            List<(bool, ulong)>[] reads = [[], []];
            foreach ((IScheduleHost host, int index) in new (IScheduleHost, int)[] { (new PlainHost(plain), 0), (shared, 1) })
            {
                load.Start(host, 0);
                for (int sample = 0; sample < 400; sample++)
                {
                    host.Loop.RunFor(7_000);
                    reads[index].Add((host.IsAsyncActive, host.AsyncPosition));
                }
            }

            Assert.Equal(reads[0], reads[1]);
        },
        count: 40);

    [Fact]
    public void Sharing_allocates_nothing()
    {
        using SharedBench bench = Backlogged([512, 64, 0, 100], new());
        bench.Controller.Observer = null;
        bench.Loop.RunFor(10_000_000);
        Allocation.CheckNone(20, _ => bench.Loop.RunFor(1_250_000));
    }

    private static SharedBench Backlogged(int[] sizes, SharedEhciOptions options, int sets = 0, int[]? weights = null)
    {
        SharedBench bench = new(Math.Max(sets, sizes.Length), options);
        for (int set = 0; set < sizes.Length; set++)
        {
            bench.Manage(SharedBench.SetRegister(set, EhciManagementOffsets.Weight), (uint)(weights?[set] ?? 1));
            new SetLoad([sizes[set]], 0, [], 0).Start(bench, set);
        }

        return bench;
    }

    private static ulong[] Share(int[] sizes, SharedEhciOptions options, ulong timeNs, int[]? weights = null)
    {
        using SharedBench bench = Backlogged(sizes, options, weights: weights);
        bench.Loop.RunFor(timeNs);
        return [.. Enumerable.Range(0, sizes.Length).Select(bench.TimeOf)];
    }
}
