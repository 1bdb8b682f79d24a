using Dma.Machine;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class EventLoopLaws
{
    [Fact]
    public void Events_come_by_due_time_and_then_in_the_order_of_asking() =>
        Property.Check(ArbMap.Default.ArbFor<byte[]>(), delays =>
        {
            EventLoop loop = new();
            List<(byte Delay, int Asked, ulong NowNs)> seen = [];
            for (int asked = 0; asked < delays.Length; asked++)
            {
                (byte delay, int order) = ((byte)(delays[asked] % 8), asked);
                _ = loop.Schedule(delay, () => seen.Add((delay, order, loop.NowNs)));
            }

            loop.RunFor(8);
            Assert.Equal(delays.Length, seen.Count);
            Assert.Equal(seen.OrderBy(entry => entry.Delay).ThenBy(entry => entry.Asked), seen);
            Assert.All(seen, entry => Assert.Equal(entry.Delay, entry.NowNs));
            Assert.Equal(8ul, loop.NowNs);
        });

    [Fact]
    public void The_next_event_is_the_first_that_is_due_and_was_neither_moved_nor_called_off() =>
        Property.Check(ArbMap.Default.ArbFor<byte[]>(), delays =>
        {
            EventLoop loop = new();
            loop.RunFor(100);
            List<(ScheduledEvent Event, ulong Due)> planned = [];
            foreach (byte delay in delays)
            {
                ScheduledEvent scheduled = loop.Schedule(delay, static () => { });
                if (delay % 3 == 0)
                    scheduled.Cancel();
                else if (delay % 3 == 1)
                    loop.Schedule(delay + 50ul, scheduled);
                if (scheduled.IsPending)
                    planned.Add((scheduled, 100ul + delay + (delay % 3 == 1 ? 50ul : 0)));
            }

            foreach (ulong due in planned.Select(entry => entry.Due).Distinct().Order())
            {
                Assert.Equal(due, loop.NextDueNs);
                loop.RunFor(due - loop.NowNs);
            }

            Assert.Null(loop.NextDueNs);
            Assert.All(planned, entry => Assert.False(entry.Event.IsPending));
        });

    [Fact]
    public void The_same_software_gives_the_same_run() =>
        Property.Check(ArbMap.Default.ArbFor<byte[]>(), steps => Assert.Equal(Trace(steps), Trace(steps)));

    [Fact]
    public void A_cancelled_event_neither_happens_nor_moves_time()
    {
        EventLoop loop = new();
        ScheduledEvent never = loop.Schedule(50, () => Assert.Fail("It was called off."));
        _ = loop.Schedule(10, never.Cancel);
        Assert.False(loop.RunUntil(() => false));
        Assert.Equal(10ul, loop.NowNs);
        Assert.Equal(1ul, loop.EventsRun);
        Assert.False(never.IsPending);
    }

    [Fact]
    public void An_event_can_be_called_off_by_the_one_before_it_at_the_same_instant()
    {
        EventLoop loop = new();
        ScheduledEvent? second = null;
        _ = loop.Schedule(5, () => second!.Cancel());
        second = loop.Schedule(5, () => Assert.Fail("It was called off."));
        loop.RunFor(5);
    }

    [Fact]
    public void Time_stops_at_the_limit_and_nothing_due_later_has_happened()
    {
        EventLoop loop = new();
        bool happened = false;
        _ = loop.Schedule(11, () => happened = true);
        Assert.False(loop.RunUntil(() => happened, limitNs: 10));
        Assert.Equal(10ul, loop.NowNs);
        Assert.False(happened);
        Assert.True(loop.RunUntil(() => happened, limitNs: 1));
        Assert.Equal(11ul, loop.NowNs);
    }

    [Fact]
    public void A_delay_past_the_end_of_time_waits_at_its_end()
    {
        EventLoop loop = new();
        loop.RunFor(1000);
        bool happened = false;
        _ = loop.Schedule(ulong.MaxValue - 10, () => happened = true);
        loop.RunFor(ulong.MaxValue / 2);
        Assert.False(happened);
        Assert.True(loop.RunUntil(() => happened));
        Assert.Equal(ulong.MaxValue, loop.NowNs);
    }

    [Fact]
    public void What_software_throws_comes_out_of_the_run_that_started_it()
    {
        EventLoop loop = new();
        InvalidDataException thrown = Assert.Throws<InvalidDataException>(() => loop.Run(async () =>
        {
            await loop.Delay(5);
            throw new InvalidDataException("late");
        }));
        Assert.Equal("late", thrown.Message);
        Assert.Throws<InvalidDataException>(() => loop.Run(Task () => throw new InvalidDataException("early")));
        Assert.Equal(7, loop.Run(() => Task.FromResult(7)));
    }

    [Fact]
    public void What_software_throws_that_nobody_awaits_comes_out_of_the_loop()
    {
        EventLoop loop = new();
        loop.Start(async () =>
        {
            await loop.Delay(5);
            throw new InvalidDataException("late");
        });
        Assert.Throws<InvalidDataException>(() => loop.RunFor(10));
        loop.Start(() => throw new InvalidDataException("early"));
        Assert.Throws<InvalidDataException>(() => loop.RunFor(10));
        Assert.Equal(5ul, loop.NowNs);
        loop.RunFor(1);
        Assert.Equal(6ul, loop.NowNs);
    }

    [Fact]
    public void Software_that_waits_for_what_cannot_come_times_out()
    {
        EventLoop loop = new();
        Signal never = new(loop);
        Assert.Throws<TimeoutException>(() => loop.Run(() => never.Wait().AsTask()));
        Assert.Throws<TimeoutException>(() => loop.Run(() => loop.Delay(100).AsTask(), limitNs: 99));
    }

    [Fact]
    public void Waiting_costs_no_memory()
    {
        EventLoop loop = new();
        Signal signal = new(loop);
        ScheduledEvent raise = new(signal.Raise);
        ulong rounds = 0, raises = 0;
        loop.Start(async () =>
        {
            while (true)
            {
                await loop.Delay(5);
                loop.Schedule(rounds % 2 == 0 ? 5u : 500u, raise);
                raises += await signal.Wait(50) ? 1ul : 0;
                raise.Cancel();
                rounds++;
            }
        });
        loop.RunFor(1_000_000);
        Allocation.CheckNone(64, _ => loop.RunFor(10_000));
        Assert.InRange(rounds, 1000ul, ulong.MaxValue);
        Assert.InRange(raises, (rounds / 2) - 1, (rounds / 2) + 1);
    }

    [Fact]
    public void A_wait_is_awaited_once()
    {
        EventLoop loop = new();
        loop.Run(async () =>
        {
            ValueTask wait = loop.Delay(5);
            await wait;
            await Assert.ThrowsAsync<InvalidOperationException>(() => wait.AsTask());
            ValueTask again = loop.Delay(5);
            Task first = again.AsTask();
            Assert.Throws<InvalidOperationException>(() => { _ = again.AsTask(); });
            await first;
        });
        Assert.Equal(10ul, loop.NowNs);
    }

    [Fact]
    public void A_wait_that_nobody_awaits_ends_and_disturbs_no_other()
    {
        EventLoop loop = new();
        Signal signal = new(loop);
        loop.Run(async () =>
        {
            _ = loop.Delay(3).AsTask();
            ValueTask<bool> late = signal.Wait(4);
            ValueTask<bool> raised = signal.Wait(10);
            await loop.Delay(5);
            signal.Raise();
            await loop.Delay(1);
            Assert.True(await raised);
            Assert.False(await late);
            Assert.False(signal.IsPending);
        });
        Assert.Equal(6ul, loop.NowNs);
    }

    [Fact]
    public void The_loop_is_not_run_from_within()
    {
        EventLoop loop = new();
        _ = loop.Schedule(1, () => loop.RunFor(1));
        Assert.Throws<InvalidOperationException>(() => loop.RunFor(5));
        loop.RunFor(5);
    }

    [Fact]
    public void Only_software_on_the_loop_can_wait()
    {
        EventLoop loop = new();
        Assert.Throws<InvalidOperationException>(() => { _ = loop.Delay(1).AsTask(); });
        Assert.Throws<InvalidOperationException>(() => { _ = new Signal(loop).Wait().AsTask(); });
    }

    [Fact]
    public void Events_that_go_in_circles_end_the_run()
    {
        EventLoop loop = new();
        void Again() => loop.Schedule(0, Again);
        Again();
        Assert.Throws<InvalidOperationException>(() => loop.RunFor(1));
        Assert.Equal(0ul, loop.NowNs);
    }

    [Fact]
    public void Everything_runs_on_the_thread_that_runs_the_loop()
    {
        EventLoop loop = new();
        HashSet<int> threads = [Environment.CurrentManagedThreadId];
        loop.Run(async () =>
        {
            for (int step = 0; step < 100; step++)
            {
                await loop.Delay((ulong)step % 3);
                _ = threads.Add(Environment.CurrentManagedThreadId);
            }
        });
        _ = Assert.Single(threads);
    }

    [Fact]
    public void What_a_processor_is_charged_makes_its_next_wait_longer_once()
    {
        EventLoop loop = new();
        CostModel costs = CostModel.Default;
        Processor processor = new("cpu", loop, costs);
        loop.Run(async () =>
        {
            processor.Charge(Cost.RegisterAccess, 3);
            processor.Charge(Cost.CopiedByte, 4096);
            Assert.Equal(0ul, loop.NowNs);
            await processor.Delay(10);
            Assert.Equal((3 * costs.RegisterAccessNs) + (4096 * costs.CopiedBytePs / 1000) + 10, loop.NowNs);
            ulong before = loop.NowNs;
            await processor.Delay(10);
            Assert.Equal(before + 10, loop.NowNs);
        });
        Assert.Equal(3ul, processor.Meter[Cost.RegisterAccess]);
        Assert.Equal(4096ul, processor.Meter[Cost.CopiedByte]);
    }

    [Fact]
    public void A_processor_pays_before_it_waits_and_misses_no_signal_meanwhile()
    {
        EventLoop loop = new();
        Processor processor = new("cpu", loop, CostModel.Default);
        Signal signal = new(loop);
        _ = loop.Schedule(1, signal.Raise);
        loop.Run(async () =>
        {
            processor.Charge(Cost.Exit);
            Assert.True(await processor.Wait(signal, timeoutNs: 1));
            Assert.Equal(CostModel.Default.ExitNs, loop.NowNs);
        });
    }

    // Three pieces of software that delay, signal and wait as the steps say, and what each saw when.
    private static List<string> Trace(byte[] steps)
    {
        EventLoop loop = new();
        Signal signal = new(loop);
        List<string> trace = [];
        for (int id = 0; id < 3; id++)
        {
            int self = id;
            loop.Start(async () =>
            {
                foreach (byte step in steps)
                {
                    switch ((step + self) % 3)
                    {
                        case 0:
                            await loop.Delay(step);
                            break;
                        case 1:
                            signal.Raise();
                            break;
                        default:
                            trace.Add($"{self} took {await signal.Wait(step)}");
                            break;
                    }

                    trace.Add($"{self} at {loop.NowNs}");
                }
            });
        }

        _ = loop.RunUntil(() => false);
        return trace;
    }
}
