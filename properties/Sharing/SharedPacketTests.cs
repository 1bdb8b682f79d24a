using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Register sets that share a bus on which devices answer whatever devices can answer: who is served when, for how long, and who waits for whom.</summary>
public sealed class SharedPacketTests
{
    private const uint FetchNs = 300;
    private const uint QuantumNs = 16_000;
    private const uint BudgetNs = 20_000;
    private const ulong TimeNs = 4_000_000;

    // Nothing takes longer than a full packet that nobody acknowledges.
    private static readonly uint s_visitNsMax = WireTime.HighSpeedUnanswered(512);

    private static Gen<SharingPolicy> FairPolicy => Gen.Elements(
        SharingPolicy.RoundRobinByTransaction, SharingPolicy.RoundRobinByPass, SharingPolicy.DeficitRoundRobin, SharingPolicy.Weighted);

    [Fact]
    public void Whatever_devices_answer_periodic_work_of_all_comes_first_and_no_time_is_left_while_anybody_has_work()
    {
        HashSet<UsbPid> answers = [];
        Property.Check(
            Worlds(Gen.Elements(Enum.GetValues<SharingPolicy>()), lazy: true),
            world =>
            {
                using SharedBench bench = Start(world);
                bench.Token = use => answers.Add(use.Answer);
                bench.Loop.RunFor(TimeNs);
                bool isBacklogged = Array.Exists(world.Loads, static load => load.IsBacklogged);
                int structures = world.Loads.Sum(load => load.Async.Length + load.Periodic.Length + 2);
                ulong looksNs = (ulong)structures * FetchNs;
                IGrouping<ulong, BusUse>[] microframes = [.. bench.Uses.GroupBy(use => use.StartNs / SharedBench.MicroframeNs)];
                foreach (IGrouping<ulong, BusUse> microframe in microframes.Skip(1).SkipLast(1))
                {
                    ulong at = microframe.Key * SharedBench.MicroframeNs, end = at + SharedBench.MicroframeNs;
                    bool isAsync = false;
                    foreach (BusUse use in microframe)
                    {
                        Assert.True(use.StartNs >= at, "The wire was used twice at once.");
                        Assert.False(isAsync && use.IsPeriodic);
                        Assert.True(!isBacklogged || use.StartNs - at <= looksNs, $"{use.StartNs - at} ns idle");
                        (at, isAsync) = (use.StartNs + use.WireNs, !use.IsPeriodic);
                    }

                    Assert.True(at <= end);
                    Assert.True(!isBacklogged || end - at <= s_visitNsMax + looksNs, $"{end - at} ns left");
                    for (int set = 0; set < world.Loads.Length; set++)
                        Assert.True(microframe.Where(use => use.Set == set && use.IsPeriodic).Sum(use => use.WireNs) <= BudgetNs);
                }

                Assert.True(!isBacklogged || microframes.Length >= (int)(TimeNs / SharedBench.MicroframeNs) - 1);
                Assert.Equal(0, bench.Strays);
            },
            count: 80);
        Assert.Superset(new HashSet<UsbPid> { UsbPid.Ack, UsbPid.Nak, UsbPid.Stall, UsbPid.None, UsbPid.Data0, UsbPid.Data1 }, answers);
    }

    [Fact]
    public void Whoever_has_work_waits_no_longer_than_the_turns_of_the_others_last() => Property.Check(
        Worlds(FairPolicy, lazy: true),
        world =>
        {
            using SharedBench bench = Start(world);
            bench.Loop.RunFor(TimeNs);
            for (int set = 0; set < world.Loads.Length; set++)
            {
                ulong waitNs = LongestWaitNs(bench, set);
                Assert.True(!world.Loads[set].IsBacklogged || waitNs <= world.WaitNsMax(set), $"{set} waited for {waitNs} ns instead of {world.WaitNsMax(set)} ns at most");
            }
        },
        count: 80);

    [Fact]
    public void Where_sets_are_served_in_sequence_they_wait_longer_than_any_turn()
    {
        PacketLoad greedy = new([PacketQueue.Moving(512), PacketQueue.Moving(512, isIn: false)], []);
        PacketLoad patient = new([PacketQueue.Moving(64)], []);
        PacketWorld world = new([greedy, patient], SharingPolicy.Sequential, [1, 1]);
        using SharedBench bench = Start(world);
        bench.Loop.RunFor(TimeNs);
        Assert.True(LongestWaitNs(bench, 1) > TimeNs / 2);
        Assert.All(
            Enum.GetValues<SharingPolicy>().Where(static policy => policy != SharingPolicy.Sequential),
            policy => Assert.True((world with { Policy = policy }).WaitNsMax(1) < TimeNs / 50));
    }

    [Fact]
    public void Bus_time_is_shared_evenly_or_by_weight_whether_devices_send_send_less_refuse_or_stay_silent() => Property.Check(
        Worlds(Gen.Elements(SharingPolicy.DeficitRoundRobin, SharingPolicy.Weighted), lazy: false),
        world =>
        {
            using SharedBench bench = Start(world);
            bench.Loop.RunFor(2 * TimeNs);
            double[] units = [.. AsyncTimes(bench).Select((time, set) => (double)time / (world.Policy == SharingPolicy.Weighted ? world.Weights[set] : 1))];
            Assert.True(units.Max() - units.Min() <= QuantumNs + (2 * s_visitNsMax), string.Join(", ", units));
        },
        count: 60);

    [Theory]
    [InlineData(SharingPolicy.RoundRobinByTransaction, 0.85)]
    [InlineData(SharingPolicy.RoundRobinByPass, 0.15)]
    [InlineData(SharingPolicy.DeficitRoundRobin, 0.48)]
    [InlineData(SharingPolicy.Weighted, 0.48)]
    public void A_long_list_of_devices_that_have_nothing_takes_no_more_than_its_turns(SharingPolicy policy, double least)
    {
        double share = ShareBesideNaks(policy);
        Assert.True(share >= least, $"{share}");
    }

    [Fact]
    public void Served_in_sequence_a_list_of_devices_that_have_nothing_starves_the_set_behind_it() =>
        Assert.Equal(0, ShareBesideNaks(SharingPolicy.Sequential));

    [Fact]
    public void Sets_with_the_same_work_have_the_same_time_after_a_thousand_microframes() => Property.Check(
        from policy in FairPolicy
        from sets in Gen.Choose(2, 5)
        from load in Load(lazy: false)
        select new PacketWorld([.. Enumerable.Repeat(load, sets)], policy, [.. Enumerable.Repeat(1, sets)]),
        world =>
        {
            using SharedBench bench = Start(world);
            bench.Loop.RunFor(1000 * SharedBench.MicroframeNs);
            double index = Fairness.Jain([.. AsyncTimes(bench).Select(time => (double)time)]);
            Assert.True(index >= 0.99, $"{index}");
        },
        count: 4);

    // Lazy queues halt, or are left alone for a while: with them a set may have turns that it cannot use.
    private static Gen<PacketQueue> Queue(bool lazy) =>
        from isIn in Gen.Elements(true, false)
        from bytes in Gen.Frequency((2, Gen.Constant(512)), (3, Gen.Choose(0, 512)))
        from script in Gen.NonEmptyListOf(Gen.Frequency(
            (6, Gen.Choose(0, 512).Select(DeviceAnswer.Data)),
            (4, Gen.Constant(DeviceAnswer.Nak)),
            (2, Gen.Constant(DeviceAnswer.Silence)),
            (lazy ? 1 : 0, Gen.Constant(DeviceAnswer.Stall))))
        from nakReload in Gen.Frequency((3, Gen.Constant(0)), (lazy ? 1 : 0, Gen.Choose(1, 4)))
        select new PacketQueue(isIn, bytes, [.. script.Take(8)], nakReload);

    private static Gen<PacketLoad> Load(bool lazy) =>
        from async in Queue(lazy).ArrayOf(4)
        from asyncCount in Gen.Choose(1, 4)
        from periodic in Queue(lazy).ArrayOf(2)
        from periodicCount in Gen.Choose(0, 2)
        from mask in Gen.Choose(0, 255)
        select new PacketLoad([.. async.Take(asyncCount)], [.. periodic.Take(periodicCount).Select(queue => queue with { IsIn = true })], (byte)mask);

    private static Arbitrary<PacketWorld> Worlds(Gen<SharingPolicy> policies, bool lazy) => Arb.From(
        from sets in Gen.Choose(2, 4)
        from loads in Load(lazy).ArrayOf(sets)
        from policy in policies
        from weights in Gen.Choose(1, 4).ArrayOf(sets)
        select new PacketWorld(loads, policy, weights),
        Smaller);

    // Fewer sets, then fewer queues.
    private static IEnumerable<PacketWorld> Smaller(PacketWorld world)
    {
        for (int set = 0; set < world.Loads.Length; set++)
        {
            if (world.Loads.Length > 1)
                yield return world with { Loads = [.. world.Loads.Where((_, other) => other != set)], Weights = [.. world.Weights.Where((_, other) => other != set)] };
            PacketLoad load = world.Loads[set];
            for (int queue = 0; queue < load.Async.Length && load.Async.Length > 1; queue++)
                yield return world.With(set, load with { Async = [.. load.Async.Where((_, other) => other != queue)] });
            if (load.Periodic.Length != 0)
                yield return world.With(set, load with { Periodic = [] });
        }
    }

    private static SharedBench Start(PacketWorld world)
    {
        SharedBench bench = new(world.Loads.Length, new() { Policy = world.Policy });
        for (int set = 0; set < world.Loads.Length; set++)
        {
            bench.Manage(SharedBench.SetRegister(set, EhciManagementOffsets.Weight), (uint)world.Weights[set]);
            bench.Manage(SharedBench.SetRegister(set, EhciManagementOffsets.Budget), BudgetNs);
        }

        PacketLoad.Start(bench, world.Loads);
        return bench;
    }

    private static double ShareBesideNaks(SharingPolicy policy)
    {
        PacketLoad naking = new([.. Enumerable.Repeat(PacketQueue.Naking, AnsweringDevice.BulkCount)], []);
        using SharedBench bench = Start(new([naking, new([PacketQueue.Moving(512)], [])], policy, [1, 1]));
        bench.Loop.RunFor(2 * TimeNs);
        ulong[] times = AsyncTimes(bench);
        return (double)times[1] / (times[0] + times[1]);
    }

    private static ulong[] AsyncTimes(SharedBench bench) =>
        [.. Enumerable.Range(0, bench.SetCount).Select(set => (ulong)bench.Uses.Where(use => use.Set == set && !use.IsPeriodic).Sum(use => use.WireNs))];

    // In asynchronous time: what belongs to periodic work is nobody's turn.
    private static ulong LongestWaitNs(SharedBench bench, int set)
    {
        (ulong longest, ulong wait) = (0, 0);
        foreach (BusUse use in bench.Uses)
        {
            if (use.IsPeriodic)
                continue;
            wait = use.Set == set ? 0 : wait + use.WireNs;
            longest = Math.Max(longest, wait);
        }

        return longest;
    }

    /// <summary>What all sets do, and how their time is shared out.</summary>
    private sealed record PacketWorld(PacketLoad[] Loads, SharingPolicy Policy, int[] Weights)
    {
        public PacketWorld With(int set, PacketLoad load) => this with { Loads = [.. Loads.Select((other, index) => index == set ? load : other)] };

        /// <summary>For how long the others can have the wire before a set with work has it again.</summary>
        public ulong WaitNsMax(int set)
        {
            // A turn by transaction may be used up by a look at a queue of one's own without work.
            ulong rounds = Policy == SharingPolicy.RoundRobinByTransaction ? 1 + (ulong)Loads[set].Lazy : 1;
            ulong turns = 0;
            for (int other = 0; other < Loads.Length; other++)
                turns += other == set ? 0 : TurnNsMax(other);
            return rounds * turns;
        }

        public override string ToString() => $"{Policy} {string.Join(' ', Weights)}: {string.Join(" | ", (object[])Loads)}";

        private ulong TurnNsMax(int set) => Policy switch
        {
            SharingPolicy.RoundRobinByTransaction => s_visitNsMax,
            SharingPolicy.RoundRobinByPass => (ulong)Loads[set].Async.Length * s_visitNsMax,
            SharingPolicy.Weighted => ((ulong)Weights[set] * QuantumNs) + s_visitNsMax,
            _ => QuantumNs + s_visitNsMax,
        };
    }
}
