using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Interrupts of devices whose registers are polled, where the VM wants them posted: the poller posts them, and no guest leaves.</summary>
public sealed class PostedPollingTests
{
    [Fact]
    public void A_guest_that_runs_takes_them_by_a_notification()
    {
        using PollingBench bench = new(PolledAccess.WriteRing, posts: true);
        VirtualMachine vm = bench.Polled[0].Machine;
        (ulong exits, ulong injections) = Costs(vm);
        bench.Devices[0].Happen(3);
        bench.Devices[0].Happen(5);
        bench.Host.Loop.RunFor(4 * PollingBench.PeriodNs);
        Assert.True(Came(bench));
        Assert.Equal((1ul, exits, injections), (vm.Notifications, Costs(vm).Exits, Costs(vm).Injections));

        // What it speaks of was in memory before.
        Assert.Equal(0x28u, bench.Windows[0].Read32(ClassDevice.Cause));
    }

    [Fact]
    public void A_guest_that_halted_is_woken_and_one_that_was_preempted_finds_them_when_it_runs_again()
    {
        using PollingBench bench = new(PolledAccess.WriteRing, posts: true);
        VirtualMachine vm = bench.Polled[0].Machine;
        vm.Schedule.Halt();
        bench.Devices[0].Happen(1);
        bench.Host.Loop.RunFor(4 * PollingBench.PeriodNs);
        Assert.Equal((GuestState.Running, 0ul), (vm.Schedule.State, vm.Notifications));
        Assert.True(Came(bench));

        vm.Schedule.Preempt();
        bench.Devices[0].Happen(2);
        bench.Host.Loop.RunFor(4 * PollingBench.PeriodNs);
        Assert.Equal((GuestState.Preempted, 0ul), (vm.Schedule.State, vm.Notifications));
        Assert.False(Came(bench));
        vm.Schedule.Enter();
        bench.Host.Loop.RunFor(4 * PollingBench.PeriodNs);
        Assert.True(Came(bench));
    }

    private static bool Came(PollingBench bench) => bench.Host.Loop.Run(() => bench.Guests[0].Interrupt.Wait(10 * PollingBench.PeriodNs).AsTask());

    private static (ulong Exits, ulong Injections) Costs(VirtualMachine vm) =>
        (vm.Cpu.Processor.Meter[Cost.Exit], vm.Cpu.Processor.Meter[Cost.InterruptInjection]);
}
