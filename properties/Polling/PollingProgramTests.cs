using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random programs on a device that is polled, next to one that traps: what polling keeps, and what it loses.</summary>
public sealed class PollingProgramTests
{
    private const int StepsMax = 24;
    private const int Programs = 250;

    // Less than a ring has room for.
    private const int FloodMax = 60;

    private static readonly int[] Safe = [ClassDevice.Plain, ClassDevice.Order, ClassDevice.Pointer, ClassDevice.Pointer + 4, ClassDevice.Doorbell];
    private static readonly int[] All = [.. Safe, ClassDevice.Cause, ClassDevice.ZeroDoorbell];

    [Fact]
    public void Safe_registers_written_further_apart_than_a_period_get_each_value_in_order() =>
        Property.Check(Program(Safe, [PollingBench.PeriodNs + 1, 3 * PollingBench.PeriodNs], isDoorbellRung: true), program =>
        {
            using PollingBench trapped = Played(PolledAccess.Trapped, program), polled = Played(PolledAccess.EveryPage, program);
            Assert.Equal(Changing(trapped.Devices[0].Writes), Changing(polled.Devices[0].Writes));
            Assert.Equal(trapped.Devices[0].State, polled.Devices[0].State);
            Assert.Equal(((ulong)program.Length, 0ul), (trapped.ExitsOfProgram, polled.ExitsOfProgram));
        }, Programs);

    [Fact]
    public void Safe_registers_end_with_the_last_value_however_fast_they_are_written() =>
        Property.Check(Program(Safe, [0, 1, 700, 1_999, 2_001], isDoorbellRung: true), program =>
        {
            using PollingBench trapped = Played(PolledAccess.Trapped, program), polled = Played(PolledAccess.EveryPage, program);
            Assert.Equal(trapped.Devices[0].State, polled.Devices[0].State);
        }, Programs);

    [Fact]
    public void Through_the_ring_nothing_is_lost_and_the_order_is_kept_whatever_is_written() =>
        Property.Check(Program(All, [0, 1, 700, 1_999, 2_001], isDoorbellRung: false), program =>
        {
            using PollingBench trapped = Played(PolledAccess.Trapped, program), ring = Played(PolledAccess.WriteRing, program);
            Assert.Equal(trapped.Devices[0].Writes, ring.Devices[0].Writes);
            Assert.Equal(0ul, ring.Poller.Counts.Kicks);
        }, Programs);

    [Theory]
    [InlineData(ClassDevice.Cause)]
    [InlineData(ClassDevice.ZeroDoorbell)]
    [InlineData(ClassDevice.Doorbell)]
    [InlineData(ClassDevice.Order)]
    public void Without_the_ring_each_loss_has_its_shortest_program(int offset)
    {
        // One store for what is never seen, two stores at once for what collapses.
        ulong gap = offset is ClassDevice.Cause or ClassDevice.ZeroDoorbell ? PollingBench.PeriodNs + 1 : 0;
        PollingStep[] program = offset switch
        {
            ClassDevice.Cause => [new(0, 0, 3, 3 * gap), new(offset, 1 << 3, null, gap)],
            ClassDevice.ZeroDoorbell => [new(offset, 0, null, gap)],
            _ => [new(offset, 1, null, gap), new(offset, 2, null, gap)],
        };
        using PollingBench trapped = Played(PolledAccess.Trapped, program), polled = Played(PolledAccess.EveryPage, program), ring = Played(PolledAccess.WriteRing, program);
        Assert.True(polled.Devices[0].Writes.Count < trapped.Devices[0].Writes.Count);
        Assert.Equal(trapped.Devices[0].Writes, ring.Devices[0].Writes);
        Assert.Equal(trapped.Devices[0].State, ring.Devices[0].State);
    }

    [Fact]
    public void Random_programs_that_clear_causes_find_the_loss_by_themselves()
    {
        int lost = 0;
        Property.Check(Program([ClassDevice.Cause], [PollingBench.PeriodNs + 1], isDoorbellRung: true), program =>
        {
            using PollingBench trapped = Played(PolledAccess.Trapped, program), polled = Played(PolledAccess.EveryPage, program);
            lost += trapped.Devices[0].State == polled.Devices[0].State ? 0 : 1;
        }, Programs / 5);
        Assert.True(lost > 0);
    }

    [Fact]
    public void A_pointer_that_is_one_register_of_64_bits_is_torn_when_a_turn_comes_between_its_halves()
    {
        PollingStep[] program = [new(ClassDevice.Pointer, 0x1111, null, 2 * PollingBench.PeriodNs), new(ClassDevice.Pointer + 4, 0x2222, null, 0)];
        using PollingBench bench = new(PolledAccess.EveryPage, map: ClassDevice.Map(isPointerWhole: true));
        bench.Play(program);

        // The first value is one that nobody meant; only the last one is right.
        Assert.Equal([(ClassDevice.Pointer, 0x1111ul), (ClassDevice.Pointer, 0x2222_0000_1111ul)], bench.Devices[0].Writes);
    }

    [Fact]
    public void Latency_is_a_period_at_most_a_nap_while_it_naps_and_as_long_as_the_poller_is_away()
    {
        PollingOptions options = new() { PeriodNs = PollingBench.PeriodNs, IdleTurnsMax = 30, NapNs = 20_000 };
        foreach ((ulong awayNs, ulong waitNs, ulong limitNs) in (ReadOnlySpan<(ulong, ulong, ulong)>)[(0, 0, 2_000), (0, 100_000, 20_000), (300_000, 0, 300_000)])
        {
            using PollingBench bench = new(PolledAccess.EveryPage, options);
            ulong atNs = 0;
            bench.Polled[0].Applied = write => atNs = write.NowNs;
            bench.Play([new(ClassDevice.Plain, 1, null, 0)]);
            bench.Host.Loop.RunFor(waitNs);
            Assert.Equal(waitNs != 0, bench.Poller.IsNapping);
            if (awayNs != 0)
                bench.Poller.Deschedule(awayNs);
            ulong startNs = bench.Host.Loop.NowNs;
            bench.Windows[0].Write32(ClassDevice.Plain, 2);
            bench.Host.Loop.RunFor(limitNs);
            Assert.Equal(2ul, bench.Devices[0].State.Plain);
            Assert.InRange(atNs - startNs, awayNs, limitNs);
        }
    }

    [Fact]
    public void However_much_others_write_a_store_is_acted_on_within_a_period_or_the_bounded_work_of_a_turn() => Property.Check(
        from periodNs in Gen.Choose(500, 5_000)
        from changesMax in Gen.Choose(1, 8)
        from floods in Gen.Choose(0, FloodMax).ArrayOf(3)
        from offsetNs in Gen.Choose(0, 20_000)
        select (periodNs, changesMax, floods, offsetNs),
        world =>
        {
            PollingOptions options = new() { PeriodNs = (ulong)world.periodNs, IdleTurnsMax = null, NapNs = 20_000, ChangesMax = world.changesMax };
            ulong limitNs = Math.Max(options.PeriodNs, LongestTurnNs(options, world.floods.Length + 1));
            Assert.InRange(LatencyBeside(world.floods, options, (ulong)world.offsetNs), 0ul, limitNs);
        },
        count: 80);

    [Fact]
    public void Where_a_turn_has_no_bound_a_guest_that_floods_makes_others_wait()
    {
        PollingOptions bounded = new() { PeriodNs = PollingBench.PeriodNs, IdleTurnsMax = null, ChangesMax = 4 };
        Assert.True(LatencyBeside([FloodMax, FloodMax], bounded with { ChangesMax = int.MaxValue }, 2 * PollingBench.PeriodNs) > 4 * LongestTurnNs(bounded, 3));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Status_is_in_memory_before_its_interrupt_and_a_poller_that_forgets_that_is_caught(bool publishesFirst)
    {
        using PollingBench bench = new(PolledAccess.EveryPage, new() { PeriodNs = 100_000, NapNs = 100_000, PublishesFirst = publishesFirst });
        uint? seen = null;
        bench.Host.Loop.Start(async () =>
        {
            await bench.Guests[0].Interrupt.Wait(ulong.MaxValue);
            seen = bench.Windows[0].Read32(ClassDevice.Cause);
        });

        // First the guest pays for what it did until here, and waits.
        bench.Host.Loop.RunFor(1_000_010);
        bench.Devices[0].Happen(5);
        bench.Host.Loop.RunFor(1_000_000);
        Assert.Equal(publishesFirst ? 1u << 5 : 0, seen);
    }

    [Fact]
    public void A_guest_that_floods_reaches_its_own_device_alone_and_others_are_served_in_time()
    {
        using PollingBench bench = new(PolledAccess.WriteRing, new() { PeriodNs = PollingBench.PeriodNs, ChangesMax = 4 }, machines: 3);
        for (uint value = 0; value < 1_000; value++)
            bench.Windows[0].Write32(ClassDevice.Order, value);
        bench.Windows[1].Write32(ClassDevice.Plain, 7);
        bench.Host.Loop.RunFor(PollingBench.PeriodNs * 4);
        Assert.Equal(7ul, bench.Devices[1].State.Plain);
        bench.Host.Loop.RunFor(PollingBench.PeriodNs * 40);
        Assert.Equal(Enumerable.Range(0, 1_000).Select(value => (ClassDevice.Order, (ulong)value)), bench.Devices[0].Writes);
        Assert.Empty(bench.Devices[2].Writes);
        Assert.NotEqual(0ul, bench.Poller.Counts.CutOffs);
        Assert.NotEqual(0ul, bench.Poller.Counts.Kicks);
    }

    [Fact]
    public void A_ring_full_of_nonsense_changes_nothing_elsewhere_and_ends() =>
        Property.Check(Gen.ArrayOf(Generate.Any64, WriteRing.Length / 8), garbage =>
        {
            using PollingBench bench = new(PolledAccess.WriteRing, machines: 2);
            GuestCpu cpu = bench.Polled[0].Machine.Cpu;
            ulong bar = bench.Devices[0].DecodedAt(0)!.Value;
            for (int index = 0; index < garbage.Length; index++)
                cpu.Store(new(bar + WriteRing.Start + (ulong)(8 * index)), 8, garbage[index]);
            bench.Play([]);
            Assert.Empty(bench.Devices[1].Writes);
            bench.Play([new(ClassDevice.Plain, 9, null, 0)], number: 1);
            Assert.Equal(9ul, bench.Devices[1].State.Plain);
        }, 20);

    [Fact]
    public void A_vm_that_ends_gives_its_pages_back_and_others_go_on()
    {
        using PollingBench bench = new(PolledAccess.EveryPage, machines: 2);
        ulong frames = bench.Host.Frames.CountOf(FrameOwner.Vmm);
        bench.Host.Loop.Run(() => bench.Host.Destroy(bench.Polled[0].Machine).AsTask());
        Assert.True(bench.Host.Frames.CountOf(FrameOwner.Vmm) < frames);
        bench.Play([new(ClassDevice.Plain, 3, null, 0)], number: 1);
        Assert.Equal(3ul, bench.Devices[1].State.Plain);
        Assert.Single(bench.Poller.Devices);
    }

    [Fact]
    public void The_page_follows_the_guests_bar_and_where_it_cannot_accesses_exit()
    {
        using PollingBench bench = new(PolledAccess.EveryPage, machines: 2);
        PolledRegisters polled = bench.Polled[0];
        GuestCpu cpu = polled.Machine.Cpu;
        ulong first = bench.Devices[0].DecodedAt(0)!.Value;
        foreach ((ulong at, bool isPolled) in (ReadOnlySpan<(ulong, bool)>)[(first + 0x10_0000, true), (0x4000, false), (first, true)])
        {
            bench.Guests[0].Configuration.Write(PciOffset.Bar0, 4, (uint)at);
            Assert.Equal(isPolled ? 1 : 0, polled.MappedPages);
        }

        // The first address is mapped again, and nothing is left at the second.
        cpu.Store(new(first + ClassDevice.Plain), 4, 5);
        bench.Play([]);
        Assert.Equal(5ul, bench.Devices[0].State.Plain);
        Assert.Equal(uint.MaxValue, cpu.Load(new(first + 0x10_0000), 4));
        Assert.Equal(0ul, bench.Devices[1].State.Plain);
    }

    [Fact]
    public void A_device_that_is_reset_shows_its_reset_values_and_others_keep_theirs()
    {
        using PollingBench bench = new(PolledAccess.EveryPage, machines: 2);
        bench.Play([new(ClassDevice.Plain, 5, null, 0)]);
        bench.Play([new(ClassDevice.Plain, 6, null, 0)], number: 1);
        bench.Devices[0].ResetFunction();
        bench.Guests[0].Configuration.Write(PciOffset.Bar0, 4, 0xC100_0000);
        bench.Guests[0].Configuration.Write(PciOffset.Command, 2, 2);
        bench.Play([]);
        Assert.Equal(0u, bench.Polled[0].Machine.Cpu.Load(new(0xC100_0000), 4));
        Assert.Equal((6ul, 6u), (bench.Devices[1].State.Plain, bench.Windows[1].Read32(ClassDevice.Plain)));
    }

    [Fact]
    public void Software_reads_what_it_wrote_through_the_ring_at_the_price_of_an_exit()
    {
        using PollingBench bench = new(PolledAccess.WriteRing);
        bench.Windows[0].Write32(ClassDevice.Plain, 5);
        Assert.Equal((0u, 0ul), (bench.Windows[0].Read32(ClassDevice.Order), bench.Poller.Counts.Kicks));
        Assert.Equal((5u, 1ul), (bench.Windows[0].Read32(ClassDevice.Plain), bench.Poller.Counts.Kicks));
        Assert.Equal((5u, 1ul), (bench.Windows[0].Read32(ClassDevice.Plain), bench.Poller.Counts.Kicks));
    }

    [Fact]
    public void Changes_that_are_found_together_reach_the_device_addresses_first_and_no_more_of_them_in_a_turn_than_it_may_do()
    {
        PollingStep[] program = [new(ClassDevice.Doorbell, 3, null, 0), new(ClassDevice.Order, 2, null, 0), new(ClassDevice.Pointer, 1, null, 0)];
        using PollingBench bench = new(PolledAccess.EveryPage, new() { PeriodNs = PollingBench.PeriodNs, ChangesMax = 1 });
        List<ulong> times = [];
        bench.Polled[0].Applied = write => times.Add(write.NowNs);
        bench.Play([.. program, new(ClassDevice.Plain, 0, null, 4 * PollingBench.PeriodNs)]);

        // One turn after the other.
        Assert.Equal([ClassDevice.Pointer, ClassDevice.Order, ClassDevice.Doorbell], bench.Devices[0].Writes.Select(write => write.Offset));
        Assert.Equal([PollingBench.PeriodNs, PollingBench.PeriodNs], times.Zip(times.Skip(1), (first, second) => second - first));
    }

    [Fact]
    public void What_the_device_changes_is_never_put_over_a_store_that_was_not_seen_yet()
    {
        using PollingBench bench = new(PolledAccess.EveryPage, new() { PeriodNs = PollingBench.PeriodNs, ChangesMax = 1 });
        bench.Play([new(0, 0, 0, 0)]);
        bench.Windows[0].Write32(ClassDevice.Plain, 1);
        bench.Windows[0].Write32(ClassDevice.Cause, 3);
        bench.Devices[0].Raise(1);
        bench.Play([]);
        Assert.Equal(0ul, bench.Devices[0].State.Cause);
    }

    [Fact]
    public void Steady_turns_allocate_nothing()
    {
        using PollingBench bench = new(PolledAccess.WriteRing, machines: 2);
        bench.Play([new(ClassDevice.Plain, 1, null, 0)]);
        bench.Host.Loop.RunFor(1_000_000);
        Allocation.CheckNone(20, _ => bench.Host.Loop.RunFor(200_000));
    }

    private static ulong LongestTurnNs(PollingOptions options, int machines) => (ulong)machines * (options.TurnNs + (options.ChangeNs * (ulong)options.ChangesMax));

    // How long the store of one guest takes to reach its device while rings of others are full.
    private static ulong LatencyBeside(int[] floods, PollingOptions options, ulong offsetNs)
    {
        using PollingBench bench = new(PolledAccess.WriteRing, options, machines: floods.Length + 1);
        ulong? atNs = null;
        bench.Polled[0].Applied = write => atNs = write.NowNs;
        for (int number = 0; number < floods.Length; number++)
        {
            for (uint value = 0; value < floods[number]; value++)
                bench.Windows[number + 1].Write32(ClassDevice.Order, value);
        }

        bench.Host.Loop.RunFor(offsetNs);
        ulong startNs = bench.Host.Loop.NowNs;
        bench.Windows[0].Write32(ClassDevice.Plain, 2);
        bench.Host.Loop.RunFor(1_000_000);
        Assert.Equal(0ul, bench.Poller.Counts.Kicks);
        return atNs!.Value - startNs;
    }

    private static PollingBench Played(PolledAccess access, PollingStep[] program)
    {
        PollingBench bench = new(access);
        bench.Play(program);
        Assert.True(access == PolledAccess.Trapped || bench.ExitsOfProgram == 0);
        return bench;
    }

    // What changes nothing is nothing that polling could see, nor need to: a value over the same one.
    private static List<(int Offset, ulong Value)> Changing(List<(int Offset, ulong Value)> writes)
    {
        Dictionary<int, ulong> values = [];
        List<(int, ulong)> changing = [];
        foreach ((int offset, ulong value) in writes)
        {
            if (offset == ClassDevice.Doorbell || values.GetValueOrDefault(offset) != value)
                changing.Add((offset, value));
            values[offset] = value;
        }

        return changing;
    }

    private static Arbitrary<PollingStep[]> Program(int[] offsets, ulong[] gaps, bool isDoorbellRung) => Generate.Program(
        from offset in Gen.Elements(offsets)
        from value in Gen.Choose(isDoorbellRung && offset == ClassDevice.Doorbell ? 1 : 0, 5)
        from gap in Gen.Elements(gaps)
        from isCause in Gen.Choose(0, 3)
        from bit in Gen.Choose(0, 2)
        let causes = Array.IndexOf(offsets, ClassDevice.Cause) >= 0 && isCause == 0
        select new PollingStep(offset, (uint)value, causes ? bit : null, gap), StepsMax);
}
