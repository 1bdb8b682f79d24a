using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>The steps by which a device goes to a guest and comes back, and what refuses them.</summary>
public sealed class AssignmentTests
{
    public static TheoryData<string> Profiles => [.. ProfileChoice.Names];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_device_reaches_what_its_guest_maps_and_nothing_after(string profile)
    {
        using Host host = new(new() { MemoryBytes = 256 * MiB, VmmBytes = 16 * MiB, Profile = HardwareProfile.Named(profile) });
        DmaDevice device = new();
        host.Pci.Add(device, 3);
        host.Boot();
        VirtualMachine vm = host.CreateMachine("one", 16 * MiB);
        host.Loop.Run(async () =>
        {
            Assignment assignment = host.AssignmentOf(device.Source);
            Assert.Equal(AssignmentResult.Done, await assignment.Assign(vm, new(0, 4, 0)));
            HypercallResult handle = await vm.Cpu.Call(Hypercall.FindDevice);
            Assert.Equal(new(DmaRefusal.None, 4 << 3), handle);

            // Not a bus master yet, then nothing mapped, then mapped.
            HypercallResult mapped = await vm.Cpu.Call(Hypercall.MapDma, handle.Value, 0x1000, 100, (ulong)DmaDirection.FromDevice);
            Assert.Equal(DmaRefusal.None, mapped.Refusal);
            Assert.Equal(DmaStatus.NotMaster, device.Write(mapped.Value, [1, 2, 3, 4]));
            vm.Pci.WriteConfiguration(new(0, 4, 0), PciOffset.Command, 2, (uint)(PciCommand.BusMaster | PciCommand.MemorySpace));
            Assert.Equal(DmaStatus.Success, device.Write(mapped.Value, [1, 2, 3, 4]));
            Assert.Equal(DmaStatus.Blocked, device.Write(mapped.Value + 4096, [1, 2, 3, 4]));
            Assert.Equal(DmaStatus.Blocked, device.Read(mapped.Value, new byte[4]));
            Assert.Equal(0x04030201ul, vm.Cpu.Load(new(0x1000), 4));
            Assert.Equal(DmaRefusal.None, (await vm.Cpu.Call(Hypercall.UnmapDma, handle.Value, mapped.Value, 100)).Refusal);
            Assert.Equal(DmaStatus.Blocked, device.Write(mapped.Value, [9, 9, 9, 9]));
            Assert.Equal(0x04030201ul, vm.Cpu.Load(new(0x1000), 4));

            // Registers: at the guest's BAR, without an exit.
            ulong bar = vm.Pci.ReadConfiguration(new(0, 4, 0), PciOffset.Bar0, 4);
            Assert.Equal([0], assignment.MappedBars);
            ulong exits = vm.Cpu.Processor.Meter[Cost.Exit];
            vm.Cpu.Store(new(bar + 8), 4, 0xCAFE);
            Assert.Equal(0xCAFEul, vm.Cpu.Load(new(bar + 8), 4));
            Assert.Equal(0xCAFEul, device.ReadBar(0, 8, 4));
            Assert.Equal(exits, vm.Cpu.Processor.Meter[Cost.Exit]);

            Assert.Equal(AssignmentResult.Done, await assignment.TakeBack());
            Assert.Equal(AssignmentState.Host, assignment.State);
            Assert.Equal(0ul, device.ReadBar(0, 8, 4));
            Assert.Equal(ulong.MaxValue, vm.Cpu.Load(new(bar + 8), 8));
            Assert.Equal(0ul, host.Frames.Pins);
            await host.Destroy(vm);
        });
    }

    [Fact]
    public void What_cannot_be_isolated_is_refused_with_its_reason_and_stays_with_the_host()
    {
        using Host host = Small();
        PciBridge port = new(0x1234, 1);
        PciBridge conventional = new(0x1234, 2, type: null);
        DmaDevice lone = new(functionLevelReset: false);
        DmaDevice legacy = new();
        host.Pci.Add(port, 1);
        host.Pci.Add(conventional, 2);
        conventional.Secondary.Add(legacy, 0);
        conventional.Secondary.Add(new DmaDevice(), 1);
        host.Pci.Add(new DmaDevice(), 3, 0);
        host.Pci.Add(new DmaDevice(), 3, 1);
        host.Pci.Add(lone, 4);
        port.Secondary.Add(new DmaDevice(functionLevelReset: false), 0);
        port.Secondary.Add(new DmaDevice(functionLevelReset: false), 1);
        host.Boot();
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        (SourceId Source, AssignmentRefusal Refusal)[] cases =
        [
            (new(0, 9, 0), AssignmentRefusal.NotThere),
            (port.Source, AssignmentRefusal.Bridge),
            (new(0, 3, 0), AssignmentRefusal.PartOfGroup),
            (new(0, 3, 1), AssignmentRefusal.PartOfGroup),
            (legacy.Source, AssignmentRefusal.PartOfGroup),
            (lone.Source, AssignmentRefusal.NoReset),
            (new(1, 0, 0), AssignmentRefusal.PartOfGroup),
        ];
        foreach ((SourceId source, AssignmentRefusal refusal) in cases)
        {
            Assignment assignment = host.AssignmentOf(source);
            AssignmentResult result = Run(host, () => assignment.Assign(vm, new(0, 1, 0)));
            Assert.Equal(refusal, result.Refusal);
            Assert.Contains(source.ToString(), result.Reason, StringComparison.Ordinal);
            AssertWithHost(host, assignment);
        }
    }

    [Fact]
    public void A_device_alone_behind_a_port_is_reset_with_its_bus()
    {
        using Host host = Small();
        PciBridge port = new(0x1234, 1);
        DmaDevice device = new(functionLevelReset: false);
        host.Pci.Add(port, 1);
        port.Secondary.Add(device, 0);
        host.Boot();
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        Assignment assignment = host.AssignmentOf(device.Source);
        int resets = device.Resets;
        Assert.True(Run(host, () => assignment.Assign(vm, new(0, 1, 0))).IsDone);
        Assert.Equal(resets + 1, device.Resets);
        ulong bar = vm.Pci.ReadConfiguration(new(0, 1, 0), PciOffset.Bar0, 4);
        vm.Pci.WriteConfiguration(new(0, 1, 0), PciOffset.Command, 2, (uint)PciCommand.MemorySpace);
        vm.Cpu.Store(new(bar), 8, 77);
        Assert.Equal(77ul, device.ReadBar(0, 0, 8));
        Assert.True(Run(host, assignment.TakeBack).IsDone);
        Assert.Equal(resets + 2, device.Resets);
        Assert.Equal(0ul, device.ReadBar(0, 0, 8));
        AssertWithHost(host, assignment);
    }

    [Fact]
    public void Steps_out_of_order_are_refused_and_change_nothing()
    {
        using OneDevice world = new();
        (Host host, DmaDevice device, VirtualMachine vm, Assignment assignment) = world;
        (AssignmentState[] From, Func<ValueTask<AssignmentResult>> Take, AssignmentState To)[] steps =
        [
            ([AssignmentState.Host], assignment.Detach, AssignmentState.Detached),
            ([AssignmentState.Detached], assignment.Reset, AssignmentState.Clean),
            ([AssignmentState.Clean], () => assignment.Isolate(vm), AssignmentState.Isolated),
            ([AssignmentState.Isolated], () => assignment.Expose(new(0, 1, 0)), AssignmentState.Assigned),
            ([AssignmentState.Assigned], assignment.Withdraw, AssignmentState.Withdrawn),
            ([AssignmentState.Withdrawn, AssignmentState.Isolated], assignment.Quiesce, AssignmentState.Quiet),
            ([AssignmentState.Quiet], assignment.Release, AssignmentState.Clean),
            ([AssignmentState.Clean, AssignmentState.Detached], assignment.Return, AssignmentState.Host),
        ];
        foreach ((_, Func<ValueTask<AssignmentResult>> take, AssignmentState to) in steps)
        {
            AssignmentState before = assignment.State;
            foreach ((AssignmentState[] from, Func<ValueTask<AssignmentResult>> other, _) in steps)
            {
                if (from.Contains(before))
                    continue;
                Assert.Equal(AssignmentRefusal.WrongState, Run(host, other).Refusal);
                Assert.Equal(before, assignment.State);
            }

            Assert.True(Run(host, take).IsDone);
            Assert.Equal(to, assignment.State);
            Assert.Equal(to == AssignmentState.Assigned ? 1 : 0, vm.Devices.Count);

            // Only its guest can let it be bus master.
            Assert.False(device.Command.HasFlag(PciCommand.BusMaster));
        }

        AssertWithHost(host, assignment);
    }

    [Theory]
    [InlineData(AssignmentState.Detached)]
    [InlineData(AssignmentState.Clean)]
    [InlineData(AssignmentState.Isolated)]
    [InlineData(AssignmentState.Assigned)]
    [InlineData(AssignmentState.Withdrawn)]
    [InlineData(AssignmentState.Quiet)]
    public void From_every_state_the_device_comes_back(AssignmentState state)
    {
        using OneDevice world = new();
        (Host host, DmaDevice device, VirtualMachine vm, Assignment assignment) = world;
        Func<ValueTask<AssignmentResult>>[] steps =
            [assignment.Detach, assignment.Reset, () => assignment.Isolate(vm), () => assignment.Expose(new(0, 1, 0)), assignment.Withdraw, assignment.Quiesce];
        for (int step = 0; assignment.State != state; step++)
            Assert.True(Run(host, steps[step]).IsDone);
        Assert.True(Run(host, assignment.TakeBack).IsDone);
        AssertWithHost(host, assignment);
        Assert.True(Run(host, () => assignment.Assign(vm, new(0, 1, 0))).IsDone);
    }

    [Fact]
    public void A_refused_last_step_gives_the_device_back_to_the_driver_of_the_host()
    {
        using Host host = Small();
        DmaDevice device = new();
        DmaDevice other = new();
        host.Pci.Add(device, 3);
        host.Pci.Add(other, 4);
        host.Boot();
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        ReluctantDriver driver = new();
        Assignment assignment = host.AssignmentOf(device.Source);
        assignment.Driver = driver;
        Assert.Equal(AssignmentRefusal.DriverRefused, Run(host, () => assignment.Assign(vm, new(0, 1, 0))).Refusal);
        driver.IsIdle = true;
        Assert.True(Run(host, () => host.AssignmentOf(other.Source).Assign(vm, new(0, 1, 0))).IsDone);
        Assert.Equal(AssignmentRefusal.GuestPlace, Run(host, () => assignment.Assign(vm, new(0, 1, 0))).Refusal);
        Assert.Equal(AssignmentRefusal.GuestPlace, Run(host, () => assignment.Assign(vm, new(1, 1, 0))).Refusal);
        Assert.Equal((2, 2), (driver.Released, driver.Taken));
        AssertWithHost(host, assignment);
        Assert.True(Run(host, () => assignment.Assign(vm, new(0, 2, 0))).IsDone);

        // A VM that ended gets nothing.
        VirtualMachine ended = host.CreateMachine("two", 2 * MiB);
        host.Loop.Run(() => host.Destroy(ended).AsTask());
        Assert.True(Run(host, assignment.TakeBack).IsDone);
        Assert.Equal(AssignmentRefusal.NoMachine, Run(host, () => assignment.Assign(ended, new(0, 1, 0))).Refusal);
        AssertWithHost(host, assignment);
    }

    [Fact]
    public void A_unit_without_domains_left_refuses_the_next_device_and_serves_it_later()
    {
        using Host host = new(new() { MemoryBytes = 256 * MiB, VmmBytes = 16 * MiB, Profile = HardwareProfile.Named("minimal") });
        DmaDevice[] devices = [.. Enumerable.Range(0, 20).Select(_ => new DmaDevice())];
        for (int device = 0; device < devices.Length; device++)
            host.Pci.Add(devices[device], device + 1);
        host.Boot();
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        AssignmentResult[] results = [.. devices.Select(device => Run(host, () => host.AssignmentOf(device.Source).Assign(vm, new(0, device.Source.Device, 0))))];
        Assert.Equal(16, results.Count(result => result.IsDone));
        Assert.All(results[16..], result => Assert.Equal(AssignmentRefusal.NoDomain, result.Refusal));
        AssertWithHost(host, host.AssignmentOf(devices[17].Source));
        Assert.True(Run(host, host.AssignmentOf(devices[0].Source).TakeBack).IsDone);
        Assert.True(Run(host, () => host.AssignmentOf(devices[17].Source).Assign(vm, new(0, 17, 0))).IsDone);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_device_that_dies_in_its_reset_takes_nothing_with_it(bool onTheWayBack)
    {
        using OneDevice world = new();
        (Host host, DmaDevice device, VirtualMachine vm, Assignment assignment) = world;
        SourceId source = device.Source;
        if (onTheWayBack)
        {
            Assert.True(Run(host, () => assignment.Assign(vm, new(0, 1, 0))).IsDone);
            Assert.Equal(DmaRefusal.None, Call(host, vm, Hypercall.MapDma, 8, 0, 4096, 3).Refusal);
        }

        device.DiesAtReset = true;
        AssignmentResult result = Run(host, () => onTheWayBack ? assignment.TakeBack() : assignment.Assign(vm, new(0, 1, 0)));
        Assert.Equal(AssignmentRefusal.ResetFailed, result.Refusal);
        Assert.Equal(AssignmentState.Quarantined, assignment.State);
        AssertNothingLeft(host, assignment, source);
        Assert.Equal(AssignmentRefusal.NotThere, Run(host, () => assignment.Assign(vm, new(0, 1, 0))).Refusal);
        Assert.Equal(AssignmentRefusal.ResetFailed, Run(host, assignment.TakeBack).Refusal);
        host.Loop.Run(() => host.Destroy(vm).AsTask());
        Assert.Empty(host.Machines);
    }

    private sealed class ReluctantDriver : IHostDriver
    {
        public bool IsIdle { get; set; }

        public int Released { get; private set; }

        public int Taken { get; private set; }

        public ValueTask<bool> Release()
        {
            Released += IsIdle ? 1 : 0;
            return new(IsIdle);
        }

        public ValueTask<bool> Take()
        {
            Taken++;
            return new(true);
        }
    }
}
