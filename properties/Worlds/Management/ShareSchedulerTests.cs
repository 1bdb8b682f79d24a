using System.Runtime.InteropServices;
using Dma.Hal.Spec;
using Dma.Machine;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The scheduler of VMs that statistics lead.</summary>
public sealed class ShareSchedulerTests
{
    private const ulong QuantumNs = 100_000;
    private const ulong StaleNs = 5_000_000;

    [Fact]
    public void VMs_that_are_busy_run_in_proportion_to_their_weights() =>
        Property.Check(
            Gen.Choose(1, 9).ArrayOf(3),
            weights =>
            {
                using World world = new(weights);
                foreach (ManagementGuest guest in world.Guests)
                    Report(guest, ulong.MaxValue);
                ulong[] ran = world.RunFor(4_000_000);
                for (int number = 0; number < 3; number++)
                    Assert.InRange((double)ran[number], Fair(4_000_000, weights, number) - (2 * QuantumNs), Fair(4_000_000, weights, number) + (2 * QuantumNs));
            },
            count: 30);

    [Fact]
    public void A_VM_without_work_leaves_its_share_to_the_others_and_gets_it_back_when_it_has_some()
    {
        using World world = new([4, 1, 1]);
        Report(world.Guests[0], 0);
        Report(world.Guests[1], ulong.MaxValue);
        Report(world.Guests[2], ulong.MaxValue);
        ulong[] idle = world.RunFor(3_000_000);
        Assert.InRange(idle[0], 0ul, QuantumNs);
        Assert.InRange(idle[1], 1_400_000ul, 1_600_000ul);

        // It saved nothing up: from here on it has two thirds, not more.
        Report(world.Guests[0], ulong.MaxValue);
        ulong[] busy = world.RunFor(1_800_000);
        Assert.InRange(busy[0], 1_000_000ul, 1_400_000ul);
    }

    [Fact]
    public void Work_that_was_done_is_no_reason_to_run_any_more()
    {
        using World world = new([1, 1, 1]);
        Report(world.Guests[0], 300_000);
        Report(world.Guests[1], ulong.MaxValue);
        Report(world.Guests[2], 0);
        ulong[] ran = world.RunFor(4_000_000);
        Assert.InRange(ran[0], 300_000 - QuantumNs, 300_000 + QuantumNs);
        Assert.InRange(ran[2], 0ul, QuantumNs);
    }

    [Fact]
    public void A_stale_report_counts_for_nothing_and_silence_starves_nobody()
    {
        using World world = new([1, 1, 1]);
        Report(world.Guests[0], 0);
        Report(world.Guests[1], ulong.MaxValue);
        ulong[] fresh = world.RunFor(3_000_000);
        Assert.InRange(fresh[0], 0ul, QuantumNs);
        Assert.InRange(fresh[2], 1_300_000ul, 1_700_000ul);
        WorkEstimate work = world.Core.WorkOf(world.Guests[0].Machine)!.Value;
        Assert.Equal((0ul, true), (work.LeftNs, work.AgeNs >= 3_000_000));
        _ = world.RunFor(StaleNs);
        ulong[] stale = world.RunFor(3_000_000);
        Assert.All(stale, ran => Assert.InRange(ran, 900_000ul, 1_100_000ul));
    }

    [Fact]
    public void A_VM_that_does_not_run_takes_no_interrupt_and_one_whose_interrupt_waits_runs()
    {
        using World world = new([1, 1, 1]);
        Report(world.Guests[0], 0);
        Report(world.Guests[1], ulong.MaxValue);
        Report(world.Guests[2], 0);
        _ = world.RunFor(1_000_000);
        Assert.Equal(GuestState.Preempted, world.Guests[0].Machine.Schedule.State);
        Signal vector = world.Guests[0].Machine.Cpu.Vector(0x40);
        world.Guests[0].Machine.Interrupts.Deliver(MessageInterrupt.To(0, 0x40));
        Assert.Equal(0ul, vector.Raised);
        _ = world.RunFor(3 * QuantumNs);
        Assert.Equal(1ul, vector.Raised);
    }

    [Fact]
    public void Statistics_are_measured_anew_when_they_are_old_and_say_how_old_they_are()
    {
        using World world = new([1, 1, 1]);
        VirtualMachine machine = world.Guests[0].Machine;
        Assert.Equal(ulong.MaxValue, world.Core.StatisticsOf(machine)!.Value.ReportedAgeNs);
        Report(world.Guests[0], 7_000);
        ManagementStatistics first = world.Core.StatisticsOf(machine)!.Value;
        Assert.Equal((7_000ul, 1u), (first.WorkNs, first.Participant));
        world.Host.Loop.RunFor(60_000);
        ManagementStatistics second = world.Core.StatisticsOf(machine)!.Value;
        Assert.Equal(first.ReportedAgeNs + 60_000, second.ReportedAgeNs);
        Assert.InRange(second.MeasuredAgeNs, 0ul, 100_000ul);
        world.Host.Loop.RunFor(200_000);
        _ = machine.Cpu.In(0x80, 1);
        ManagementStatistics third = world.Core.StatisticsOf(machine)!.Value;
        Assert.Equal((0ul, machine.Cpu.Processor.Meter[Cost.Exit]), (third.MeasuredAgeNs, third.Exits));
        Assert.Null(world.Core.StatisticsOf(world.Host.CreateMachine("without", ManagementGuest.MemoryBytes)));
    }

    private static double Fair(double time, int[] weights, int number) => time * weights[number] / weights.Sum();

    private static void Report(ManagementGuest guest, ulong workNs)
    {
        byte[] bytes = new byte[ManagementDemand.Size];
        MemoryMarshal.Write(bytes, new ManagementDemand { WorkNs = workNs }.Raw);
        _ = guest.Ring(0, new() { Command = ManagementCommand.Report }, bytes);
        guest.Machine.Host.Loop.RunFor(5_000);
        Assert.Equal(ManagementResult.Done, Assert.Single(guest.Collect()).Completion.Result);
    }

    private sealed class World : IDisposable
    {
        private readonly ManagementWorld _world = new(guests: 3);
        private readonly ShareScheduler _scheduler;

        public World(int[] weights)
        {
            _scheduler = new(_world.Host.Cpu.Processor, QuantumNs, StaleNs) { Statistics = _world.Core };
            for (int number = 0; number < weights.Length; number++)
                _scheduler.Add(Guests[number].Machine, weights[number]);
            _scheduler.Start();
        }

        public Host Host => _world.Host;

        public ManagementCore Core => _world.Core;

        public IReadOnlyList<ManagementGuest> Guests => _world.Guests;

        public void Dispose()
        {
            _scheduler.Stop();
            _world.Dispose();
        }

        /// <summary>How long each VM ran meanwhile.</summary>
        public ulong[] RunFor(ulong durationNs)
        {
            ulong[] before = [.. Guests.Select(guest => guest.Machine.Schedule.RunTimeNs)];
            Host.Loop.RunFor(durationNs);
            return [.. Guests.Select((guest, number) => guest.Machine.Schedule.RunTimeNs - before[number])];
        }
    }
}
