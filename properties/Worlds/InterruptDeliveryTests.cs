using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;
using Dma.Workloads;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>Interrupts of devices into a guest, emulated, remapped and posted: what each costs, and when each comes.</summary>
public sealed class InterruptDeliveryTests
{
    private const byte PostedNotification = 0xF2;
    private const byte WakeUp = 0xF1;

    public static TheoryData<string> Posting =>
        [.. ProfileChoice.Names.Where(name => HardwareProfile.Named(name) is
            { Capabilities.PostedInterrupts: true, ExtendedCapabilities: { InterruptRemapping: true, QueuedInvalidation: true } })];

    public static TheoryData<string> NotPosting =>
        [.. ProfileChoice.Names.Where(name => HardwareProfile.Named(name) is not
            { Capabilities.PostedInterrupts: true, ExtendedCapabilities: { InterruptRemapping: true, QueuedInvalidation: true } })];

    [Fact]
    public void Each_way_costs_fewer_exits_than_the_one_before_and_posting_none()
    {
        foreach (DeliveryLoad load in DeliveryLoad.All)
        {
            DeliveryResult emulated = DeliveryRun.Of(InterruptDelivery.Emulated, load);
            DeliveryResult remapped = DeliveryRun.Of(InterruptDelivery.Remapped, load);
            DeliveryResult posted = DeliveryRun.Of(InterruptDelivery.Posted, load);
            ulong interrupts = (ulong)load.Interrupts;
            Assert.Equal((interrupts, interrupts, interrupts), (emulated.Handled, remapped.Handled, posted.Handled));
            Assert.Equal((2 * interrupts, interrupts, 0ul), (emulated.Exits, remapped.Exits, posted.Exits));
            Assert.Equal((0ul, 0ul, interrupts / (ulong)load.AtOnce), (emulated.Notifications, remapped.Notifications, posted.Notifications));
            Assert.True(emulated.TakenNs > remapped.TakenNs && remapped.TakenNs > posted.TakenNs);

            // Counted and virtual: the same each time.
            Assert.Equal(posted, DeliveryRun.Of(InterruptDelivery.Posted, load));
        }
    }

    [Theory]
    [MemberData(nameof(NotPosting))]
    public void A_host_that_cannot_post_refuses_and_the_device_stays_where_it_was(string profile)
    {
        using Host host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, Profile = HardwareProfile.Named(profile), Delivery = InterruptDelivery.Posted });
        DmaDevice device = new();
        host.Pci.Add(device, 3);
        host.Boot();
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        Assignment assignment = host.AssignmentOf(device.Source);
        AssignmentResult result = Run(host, () => assignment.Assign(vm, new(0, 1, 0)));
        Assert.Equal(AssignmentRefusal.NotPosted, result.Refusal);
        Assert.Contains(host.Remapping.Interrupts is null ? "does not remap any" : "CAP.PI is 0", result.Reason, StringComparison.Ordinal);
        AssertWithHost(host, assignment);

        // The same VM can have it in another way.
        vm.Delivery = InterruptDelivery.Remapped;
        Assert.True(Run(host, () => assignment.Assign(vm, new(0, 1, 0))).IsDone);
        Assert.Throws<InvalidOperationException>(() => vm.Delivery = InterruptDelivery.Emulated);
    }

    [Theory]
    [MemberData(nameof(Posting))]
    public void An_entry_is_posted_while_the_guest_listens_and_remapped_while_it_does_not(string profile)
    {
        using DeliveryWorld world = new(InterruptDelivery.Posted, devices: 1, profile);
        PostedInterrupt entry = new(world.Entry(0));
        Assert.True(entry.Common.IsPosted);
        Assert.Equal((DeliveryWorld.FirstVector, world.Devices[0].Source), (entry.Common.Vector, entry.Common.Source));
        Assert.Equal(0ul, entry.Descriptor.Value % 64);

        // Masked by the guest: the host gets it, and it waits in the virtual function.
        world.Mask(0, true);
        world.Settle();
        Assert.False(new InterruptRemappingEntry(world.Entry(0)).IsPosted);
        world.Devices[0].Interrupt();
        world.Settle();
        Assert.Equal((0ul, 1ul), (world.Signals[0].Raised, world.Assignments[0].InterruptsForwarded));
        world.Mask(0, false);
        world.Settle();
        Assert.True(new InterruptRemappingEntry(world.Entry(0)).IsPosted);
        world.Devices[0].Interrupt();
        world.Settle();
        Assert.Equal((2ul, 1ul), (world.Signals[0].Raised, world.Assignments[0].InterruptsForwarded));
        Assert.Equal(1ul, world.Guest.Notifications);
    }

    [Fact]
    public void While_the_guest_runs_interrupts_of_one_moment_share_a_notification()
    {
        using DeliveryWorld world = new(InterruptDelivery.Posted, devices: 4);
        Assert.Equal((false, PostedNotification), (world.Descriptor.SuppressNotification, world.Descriptor.NotificationVector));
        ulong exits = world.Meter[Cost.Exit];
        for (int round = 0; round < 3; round++)
            Array.ForEach(world.Devices, device => device.Interrupt());
        Assert.True(world.Descriptor.OutstandingNotification);
        world.Settle();
        Assert.Equal([1ul, 1, 1, 1], world.Signals.Select(signal => signal.Raised));
        Assert.Equal((exits, 1ul, 1ul), (world.Meter[Cost.Exit], world.Meter[Cost.Notification], world.Host.Unit.InterruptStatistics.Notifications));
        Assert.Equal(12ul, world.Host.Unit.InterruptStatistics.Posted);
    }

    [Fact]
    public void A_halted_guest_is_woken_by_the_vector_for_that_and_by_nothing_that_it_masks()
    {
        using DeliveryWorld world = new(InterruptDelivery.Posted, devices: 2);
        world.Write(LocalApicOffsets.TaskPriority, 0x40);
        world.Guest.Schedule.Halt();
        Assert.Equal((false, WakeUp), (world.Descriptor.SuppressNotification, world.Descriptor.NotificationVector));
        world.Devices[0].Interrupt();
        world.Settle();
        Assert.Equal((GuestState.Halted, 0ul), (world.Guest.Schedule.State, world.Signals[0].Raised));
        world.Devices[1].Interrupt();
        world.Settle();
        Assert.Equal((GuestState.Running, 1ul, 0ul), (world.Guest.Schedule.State, world.Signals[1].Raised, world.Signals[0].Raised));
        world.Write(LocalApicOffsets.TaskPriority, 0);
        Assert.Equal(1ul, world.Signals[0].Raised);
        Assert.Equal(0ul, world.Meter[Cost.Notification]);
    }

    [Fact]
    public void A_preempted_guest_is_told_of_nothing_but_what_is_urgent()
    {
        using DeliveryWorld world = new(InterruptDelivery.Posted, devices: 2, urgent: 1);
        world.Guest.Schedule.Preempt();
        Assert.True(world.Descriptor.SuppressNotification);
        world.Devices[0].Interrupt();
        world.Devices[0].Interrupt();
        world.Settle();
        Assert.Equal((GuestState.Preempted, 0ul), (world.Guest.Schedule.State, world.Host.Unit.InterruptStatistics.Notifications));
        Assert.False(world.Descriptor.OutstandingNotification);
        world.Devices[1].Interrupt();
        world.Settle();
        Assert.Equal((GuestState.Running, 1ul), (world.Guest.Schedule.State, world.Host.Unit.InterruptStatistics.Notifications));
        Assert.Equal([1ul, 1ul], world.Signals.Select(signal => signal.Raised));
        Assert.False(world.Descriptor.SuppressNotification);
    }

    [Theory]
    [InlineData(InterruptDelivery.Emulated)]
    [InlineData(InterruptDelivery.Remapped)]
    public void An_interrupt_for_a_guest_that_does_not_run_is_no_exit_and_wakes_it_only_where_it_had_halted(InterruptDelivery delivery)
    {
        using DeliveryWorld world = new(delivery, devices: 1);
        world.Guest.Schedule.Preempt();
        ulong exits = world.Meter[Cost.Exit];
        world.Devices[0].Interrupt();
        world.Settle();
        Assert.Equal((exits, 0ul), (world.Meter[Cost.Exit], world.Signals[0].Raised));
        world.Guest.Schedule.Enter();
        Assert.Equal(1ul, world.Signals[0].Raised);
        world.Guest.Schedule.Halt();
        world.Devices[0].Interrupt();
        world.Settle();
        Assert.Equal((GuestState.Running, 2ul), (world.Guest.Schedule.State, world.Signals[0].Raised));
    }

    // Offset, whether it is written, and whether the access is an exit with APIC virtualization.
    [Theory]
    [InlineData(0x020, false, false)]
    [InlineData(0x080, false, false)]
    [InlineData(0x0A0, false, true)]
    [InlineData(0x100, false, false)]
    [InlineData(0x300, false, false)]
    [InlineData(0x390, false, true)]
    [InlineData(0x080, true, false)]
    [InlineData(0x0B0, true, false)]
    [InlineData(0x310, true, false)]
    [InlineData(0x0D0, true, true)]
    [InlineData(0x0F0, true, true)]
    [InlineData(0x280, true, true)]
    [InlineData(0x320, true, true)]
    [InlineData(0x380, true, true)]
    public void An_access_to_the_apic_is_an_exit_unless_the_processor_acts_for_it(int offset, bool isWrite, bool isExit)
    {
        foreach (InterruptDelivery delivery in (InterruptDelivery[])[InterruptDelivery.Emulated, InterruptDelivery.Remapped])
        {
            using DeliveryWorld world = new(delivery, devices: 0);
            GuestPhysicalAddress at = new(LocalApic.Start + (ulong)offset);
            ulong exits = world.Meter[Cost.Exit];
            if (isWrite)
                world.Guest.Cpu.Store(at, 4, 0);
            else
                _ = world.Guest.Cpu.Load(at, 4);
            Assert.Equal(delivery == InterruptDelivery.Emulated || isExit ? 1ul : 0, world.Meter[Cost.Exit] - exits);

            // What is not a doubleword of its own always is one.
            _ = world.Guest.Cpu.Load(at, 8);
            Assert.Equal(delivery == InterruptDelivery.Emulated || isExit ? 2ul : 1, world.Meter[Cost.Exit] - exits);
        }
    }

    [Fact]
    public void A_guest_that_drives_its_apic_interrupts_itself_and_ends_a_level_with_an_exit()
    {
        using DeliveryWorld world = new(InterruptDelivery.Posted, devices: 1);
        world.Write(LocalApicOffsets.SpuriousVector, 0x1FF);
        Signal self = world.Guest.Cpu.Vector(0x91);
        ulong exits = world.Meter[Cost.Exit];
        world.Write(LocalApicOffsets.InterruptCommand, 0x4_0091);
        Assert.Equal((1ul, exits), (self.Raised, world.Meter[Cost.Exit]));

        // In service until its end: a posted interrupt of lower class waits in the local APIC.
        world.Devices[0].Interrupt();
        world.Settle();
        Assert.Equal(0ul, world.Signals[0].Raised);
        world.Write(LocalApicOffsets.EndOfInterrupt, 0);
        Assert.Equal((1ul, exits), (world.Signals[0].Raised, world.Meter[Cost.Exit]));
        world.Write(LocalApicOffsets.EndOfInterrupt, 0);

        world.Guest.Interrupts.Deliver(new(InterruptRange.First, 0xC091));
        world.Write(LocalApicOffsets.EndOfInterrupt, 0);
        Assert.Equal((2ul, exits + 1), (self.Raised, world.Meter[Cost.Exit]));
    }

    [Fact]
    public void What_a_VM_needed_for_posting_goes_back_with_it()
    {
        using DeliveryWorld world = new(InterruptDelivery.Posted, devices: 2);
        int free = world.Host.Remapping.Interrupts!.EntriesFree;
        int frames = world.Host.Remapping.FramesInUse;
        world.Host.Loop.Run(() => world.Host.Destroy(world.Guest).AsTask());
        Assert.Equal(free + 2, world.Host.Remapping.Interrupts.EntriesFree);
        for (int round = 0; round < 300; round++)
        {
            VirtualMachine next = world.Host.CreateMachine($"{round}", 2 * MiB);
            Assert.True(Run(world.Host, () => world.Assignments[0].Assign(next, new(0, 1, 0))).IsDone);
            world.Host.Loop.Run(() => world.Host.Destroy(next).AsTask());
        }

        Assert.InRange(world.Host.Remapping.FramesInUse, 0, frames);
    }

    [Fact]
    public void When_no_processor_is_left_to_notify_the_next_VM_is_refused()
    {
        const int Processors = 254;
        using Host host = new(new() { MemoryBytes = 1024 * MiB, VmmBytes = 64 * MiB, Delivery = InterruptDelivery.Posted });
        PciBridge[] ports = [.. Enumerable.Range(0, 9).Select(_ => new PciBridge(0x1234, 1, accessControls: AccessControls.Usual))];
        DmaDevice[] devices = [.. Enumerable.Range(0, Processors + 1).Select(_ => new DmaDevice())];
        for (int port = 0; port < ports.Length; port++)
            host.Pci.Add(ports[port], port + 1);
        for (int number = 0; number < devices.Length; number++)
            ports[number / 32].Secondary.Add(devices[number], number % 32);
        host.Boot();
        for (int number = 0; number < devices.Length; number++)
        {
            VirtualMachine vm = host.CreateMachine($"{number}", 2 * MiB);
            AssignmentResult result = Run(host, () => host.AssignmentOf(devices[number].Source).Assign(vm, new(0, 1, 0)));
            Assert.Equal(number < Processors ? AssignmentRefusal.None : AssignmentRefusal.NotPosted, result.Refusal);
        }
    }
}
