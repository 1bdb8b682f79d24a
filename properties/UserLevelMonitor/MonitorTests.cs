using Dma.Machine;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What a window shows when a page is taken away, what it costs, and where it ends.</summary>
public sealed class MonitorTests
{
    private const ulong MiB = 1 << 20;
    private const int PageBytes = 4096;

    [Theory]
    [InlineData(ShootDown.Flushed, false)]
    [InlineData(ShootDown.Unflushed, true)]
    [InlineData(ShootDown.None, true)]
    public void A_page_that_went_to_another_VM_is_reached_only_where_nobody_shot_it_down(ShootDown shootDown, bool isReached)
    {
        using Host host = Boot();
        host.Loop.Run(async () =>
        {
            (VirtualMachine vm, VirtualMachine other) = (host.CreateMachine("VM 1", MiB), host.CreateMachine("VM 2", MiB));
            UserLevelMonitor monitor = new(vm, new() { ShootDown = shootDown });
            byte[] bytes = [1, 2, 3, 4];
            Assert.Equal(DmaStatus.Success, monitor.Write(new(0x3000), bytes));
            PhysicalAddress frame = FrameOf(vm, 0x3000);
            Assert.True(other.Cpu.TryWrite(new(0x7000), "secret"u8));
            Assert.Equal(PageRefusal.None, await vm.Mover.Balloon(new(0x3000)));
            Assert.Equal(PageRefusal.None, await other.Mover.Move(new(0x7000), frame));
            Assert.Equal(isReached ? WindowPageState.Stale : WindowPageState.Absent, monitor.StateOf(new(0x3000)));

            byte[] found = new byte[6];
            Assert.Equal(DmaStatus.Success, monitor.Read(new(0x3000), found));
            Assert.Equal(isReached ? "secret"u8 : new byte[6], found);
            _ = monitor.Write(new(0x3000), "changed"u8);
            Assert.True(other.Cpu.TryRead(new(0x7000), found));
            Assert.Equal(isReached && shootDown == ShootDown.None ? "change"u8 : isReached ? found : "secret"u8, found);
        });
    }

    [Theory]
    [InlineData(ShootDown.Flushed)]
    [InlineData(ShootDown.None)]
    public void A_list_that_is_used_again_asks_the_window_again_when_pages_have_left_it(ShootDown shootDown)
    {
        using Host host = Boot();
        host.Loop.Run(async () =>
        {
            (VirtualMachine vm, VirtualMachine other) = (host.CreateMachine("VM 1", MiB), host.CreateMachine("VM 2", MiB));
            FakeHostUsb stack = new(host);
            HeldDevice device = new(stack, host.Loop);
            UserLevelMonitor monitor = new(vm, new() { ShootDown = shootDown });
            ScatterList list = monitor.Gather(new(0x3100), 2 * PageBytes);
            await Receive(1);
            await Receive(2);
            Assert.Equal(1, list.Gathered);
            PhysicalAddress frame = FrameOf(vm, 0x4000);
            Assert.Equal(PageRefusal.None, await vm.Mover.Balloon(new(0x4000)));
            Assert.Equal(PageRefusal.None, await other.Mover.Move(new(0), frame));
            await Receive(3);

            // With no shoot-down the device of the host has written into the other VM.
            byte[] there = new byte[1];
            Assert.True(other.Cpu.TryRead(new(0), there));
            Assert.Equal(shootDown == ShootDown.Flushed ? (2, 0) : (1, 3), (list.Gathered, there[0]));
            Assert.True(vm.Cpu.TryRead(new(0x4000), there));
            Assert.Equal(shootDown == ShootDown.Flushed ? 3 : 0, there[0]);

            async Task Receive(byte value)
            {
                Task<HostUsbResult> transfer = monitor.Transfers.Direct(device, 0x81, list).AsTask();
                await host.Loop.Delay(0);
                _ = device.Finish(value);
                Assert.Equal(new HostUsbResult(HostUsbStatus.Completed, 2 * PageBytes), await transfer);
            }
        });
    }

    [Fact]
    public void While_a_transfer_of_the_host_runs_its_pages_stay_and_copies_take_its_place_where_no_more_may_be_pinned()
    {
        using Host host = Boot();
        host.Loop.Run(async () =>
        {
            VirtualMachine vm = host.CreateMachine("VM 1", MiB);
            vm.PinnedPagesMax = 2;
            FakeHostUsb stack = new(host);
            HeldDevice device = new(stack, host.Loop);
            UserLevelMonitor monitor = new(vm);
            Task<HostUsbResult> first = monitor.Transfers.Direct(device, 0x81, monitor.Gather(new(0x3000), 2 * PageBytes)).AsTask();
            await host.Loop.Delay(0);
            Assert.Equal(PageRefusal.Pinned, await vm.Mover.Balloon(new(0x3000)));
            Task<HostUsbResult> second = monitor.Transfers.Direct(device, 0x02, monitor.Gather(new(0x8000), 1)).AsTask();
            await host.Loop.Delay(0);
            Assert.Equal((1, 1), stack.Made);
            _ = device.Finish(1);
            _ = device.Finish(2);
            Assert.Equal((HostUsbStatus.Completed, HostUsbStatus.Completed), ((await first).Status, (await second).Status));
            Assert.Equal(PageRefusal.None, await vm.Mover.Balloon(new(0x3000)));
            Assert.Equal(0ul, vm.PinnedPages);

            // Where no memory is, nothing moves at all.
            Task<HostUsbResult> outside = monitor.Transfers.Direct(device, 0x02, monitor.Gather(new(MiB - 8), 16)).AsTask();
            Assert.Equal(new HostUsbResult(HostUsbStatus.Canceled, 0), await outside);
            Assert.Equal((0, 0ul), (device.Waiting, stack.Allocated));
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    public void A_small_window_faults_once_a_page_and_access_at_the_most_and_gets_through(int pages)
    {
        using Host host = Boot();
        VirtualMachine vm = host.CreateMachine("VM 1", MiB);
        UserLevelMonitor monitor = new(vm, new() { WindowPages = pages });
        byte[] bytes = new byte[8 * PageBytes];
        new Random(1).NextBytes(bytes);
        Assert.Equal(DmaStatus.Success, monitor.Write(new(0), bytes));
        for (int round = 0; round < 4; round++)
        {
            byte[] read = new byte[bytes.Length];
            Assert.Equal(DmaStatus.Success, monitor.Read(new(0), read));
            Assert.Equal(bytes, read);
        }

        // Round and round in fewer places than pages, each is gone before its turn comes again: a storm, with a bound.
        Assert.Equal(pages < 8 ? 5 * 8ul : 8, monitor.Counts.Faults);
        Assert.Equal(monitor.Counts.Faults - (ulong)pages, monitor.Counts.Evictions);
        Assert.Equal((pages, (ulong)pages), (monitor.PagesPresent, host.Frames.Pins));
    }

    [Fact]
    public void A_monitor_that_was_broken_into_reaches_its_own_VM_and_nothing_else()
    {
        using Host host = Boot();
        (VirtualMachine vm, VirtualMachine other) = (host.CreateMachine("VM 1", MiB), host.CreateMachine("VM 2", MiB));
        UserLevelMonitor monitor = new(vm);
        byte[] secret = [7, 7, 7, 7, 7, 7, 7, 7];
        for (ulong page = 0; page < MiB / PageBytes; page++)
            Assert.True(other.Cpu.TryWrite(new(page * PageBytes), secret));
        Property.Check(
            Gen.OneOf(Generate.Any64, Gen.Choose(0, 1 << 26).Select(number => (ulong)number), Gen.Choose(0, 46).Select(bit => (1ul << bit) - 4)),
            address =>
            {
                byte[] bytes = new byte[8];
                bool isMemory = vm.Memory.Contains(new(address), 8);
                Assert.Equal(isMemory, monitor.Read(new(address), bytes) == DmaStatus.Success);
                Assert.False(bytes.AsSpan().SequenceEqual(secret));
                Assert.Equal(isMemory, monitor.Write(new(address), new byte[8]) == DmaStatus.Success);
            },
            400);
        byte[] left = new byte[8];
        for (ulong page = 0; page < MiB / PageBytes; page++)
        {
            Assert.True(other.Cpu.TryRead(new(page * PageBytes), left));
            Assert.Equal(secret, left);
        }
    }

    [Fact]
    public void What_the_window_has_shown_before_takes_no_fault_no_system_call_and_no_allocation()
    {
        using Host host = Boot();
        UserLevelMonitor monitor = new(host.CreateMachine("VM 1", MiB), new() { WindowPages = 100 });
        byte[] bytes = new byte[600];
        Run(0);
        (ulong faults, ulong calls) = (monitor.Counts.Faults, monitor.Counts.SystemCalls);
        Allocation.CheckNone(16, Run);
        Assert.Equal((faults, calls, 0ul), (monitor.Counts.Faults, monitor.Counts.SystemCalls, calls));

        void Run(int stretch)
        {
            for (ulong page = 0; page < 90; page++)
            {
                _ = monitor.Write(new((page * PageBytes) + 3800), bytes);
                _ = monitor.Read(new(page * PageBytes), bytes);
            }
        }
    }

    [Fact]
    public void A_VM_has_a_remapping_unit_or_a_monitor()
    {
        using Host host = Boot();
        VirtualMachine vm = host.CreateMachine("VM 1", MiB), remapped = host.CreateMachine("VM 2", MiB);
        UserLevelMonitor monitor = new(vm);
        _ = Assert.Throws<InvalidOperationException>(() => vm.AddIommu());
        host.Loop.Run(() => monitor.Kill().AsTask());
        _ = vm.AddIommu();
        _ = remapped.AddIommu();
        _ = Assert.Throws<InvalidOperationException>(() => new UserLevelMonitor(remapped));
    }

    [Fact]
    public void Two_monitors_of_a_VM_show_the_same_page_and_lose_it_together()
    {
        using Host host = Boot();
        host.Loop.Run(async () =>
        {
            VirtualMachine vm = host.CreateMachine("VM 1", MiB);
            UserLevelMonitor first = new(vm), second = new(vm);
            byte[] bytes = new byte[4];
            Assert.Equal(DmaStatus.Success, first.Write(new(0x5000), "both"u8));
            Assert.Equal(DmaStatus.Success, second.Read(new(0x5000), bytes));
            Assert.Equal("both"u8, bytes);
            Assert.Equal(2, host.Frames.PinsOf(FrameOf(vm, 0x5000)));
            Assert.Equal(PageRefusal.None, await vm.Mover.Move(new(0x5000)));
            Assert.Equal((WindowPageState.Absent, WindowPageState.Absent), (first.StateOf(new(0x5000)), second.StateOf(new(0x5000))));

            // One of them dies; the other one goes on.
            Assert.Equal(DmaStatus.Success, first.Read(new(0x5000), bytes));
            Assert.Equal(DmaStatus.Success, second.Read(new(0x5000), bytes));
            await first.Kill();
            Assert.Equal(1ul, host.Frames.Pins);
            Assert.Equal(DmaStatus.Success, second.Read(new(0x5000), bytes));
            Assert.Equal("both"u8, bytes);
        });
    }

    private static Host Boot()
    {
        Host host = new(new() { MemoryBytes = 32 * MiB, VmmBytes = 16 * MiB });
        host.Boot();
        return host;
    }

    private static PhysicalAddress FrameOf(VirtualMachine machine, ulong address) => machine.Memory.Tables.Walk(new(address), EptRights.Read).Address;
}
