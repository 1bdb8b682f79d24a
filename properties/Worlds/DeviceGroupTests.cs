using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>Devices that cannot be kept apart go to one VM together or stay where they are, and what happens where nobody sees to that.</summary>
public sealed class DeviceGroupTests
{
    private const uint On = (uint)(PciCommand.BusMaster | PciCommand.MemorySpace);

    [Fact]
    public void Functions_of_one_device_go_together_each_with_a_place_and_a_reach_of_its_own()
    {
        using Host host = Small();
        DmaDevice[] devices = [new(), new()];
        host.Pci.Add(devices[0], 3, 0);
        host.Pci.Add(devices[1], 3, 1);
        host.Boot();
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        DeviceGroup group = host.GroupOf(new(0, 3, 1));
        Assert.Equal(devices.Select(device => device.Source), group.Functions.Select(function => function.Source));
        Assert.Equal(GroupReason.SeveralFunctions, Assert.Single(group.Explain(devices[0].Source, devices[1].Source)).Reason);
        Assert.True(Run(host, () => group.Assign(vm, [new(0, 6, 0), new(0, 7, 0)])).IsDone);
        Assert.Equal([new SourceId(0, 6, 0), new(0, 7, 0)], vm.Devices.Select(device => device.GuestAddress));
        vm.Pci.WriteConfiguration(new(0, 6, 0), PciOffset.Command, 2, On);
        vm.Pci.WriteConfiguration(new(0, 7, 0), PciOffset.Command, 2, On);
        ulong mapped = Call(host, vm, Hypercall.MapDma, 6 << 3, 0, 4096, 3).Value;
        Assert.Equal(DmaStatus.Success, devices[0].Write(mapped, [1]));
        Assert.Equal(DmaStatus.Blocked, devices[1].Write(mapped, [1]));

        // One of them asks, both come back.
        Assert.True(Run(host, group.Functions[1].TakeBack).IsDone);
        Assert.All(group.Functions, function => AssertWithHost(host, function));
    }

    [Fact]
    public void Devices_under_the_name_of_a_bridge_have_one_domain_together()
    {
        using Host host = Small();
        DmaDevice[] devices = PlugConventional(host);
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        DeviceGroup group = host.GroupOf(devices[0].Source);
        Assert.True(Run(host, () => group.Assign(vm, [new(0, 6, 0), new(0, 7, 0)])).IsDone);
        Assert.Equal(group.Functions[0].DomainId, group.Functions[1].DomainId);
        vm.Pci.WriteConfiguration(new(0, 6, 0), PciOffset.Command, 2, On);
        vm.Pci.WriteConfiguration(new(0, 7, 0), PciOffset.Command, 2, On);
        ulong mapped = Call(host, vm, Hypercall.MapDma, 6 << 3, 0, 4096, 3).Value;
        Assert.All(devices, device => Assert.Equal(DmaStatus.Success, device.Write(mapped, [1])));

        // The interrupts of both arrive, each as that of its function.
        foreach (DmaDevice device in devices)
        {
            device.Interrupt();
            host.Loop.RunFor(1_000_000);
        }

        Assert.Equal([1ul, 1ul], group.Functions.Select(function => function.InterruptsForwarded));
        Assert.True(Run(host, group.TakeBack).IsDone);
        Assert.All(group.Functions, function => AssertNothingLeft(host, function, devices[0].Requester));
    }

    [Fact]
    public void A_group_that_is_not_all_free_stays_with_the_host_and_the_reason_names_who_holds_it()
    {
        using Host host = Small();
        DmaDevice[] devices = PlugConventional(host);
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        DeviceGroup group = host.GroupOf(devices[0].Source);
        BusyDriver driver = new();
        group.Functions[1].Driver = driver;
        AssignmentResult refused = Run(host, () => group.Assign(vm, [new(0, 6, 0), new(0, 7, 0)]));
        Assert.Equal(AssignmentRefusal.DriverRefused, refused.Refusal);
        Assert.Contains(devices[1].Source.ToString(), refused.Reason, StringComparison.Ordinal);
        Assert.All(group.Functions, function => AssertWithHost(host, function));

        // By hand, step by step: the one is clean, the other one with the host.
        Assignment one = group.Functions[0];
        Assert.Equal(AssignmentRefusal.PartOfGroup, Run(host, () => one.Assign(vm, new(0, 6, 0))).Refusal);
        Assert.True(Run(host, one.Detach).IsDone);
        Assert.True(Run(host, one.Reset).IsDone);
        AssignmentResult isolated = Run(host, () => one.Isolate(vm));
        Assert.Equal(AssignmentRefusal.GroupInUse, isolated.Refusal);
        Assert.Contains("is with the host", isolated.Reason, StringComparison.Ordinal);

        // Both are out: one goes to a VM, and then the other one to no other VM, nor back.
        driver.IsBusy = false;
        Assignment other = group.Functions[1];
        Assert.True(Run(host, other.Detach).IsDone);
        Assert.True(Run(host, () => one.Isolate(vm)).IsDone);
        Assert.Equal(AssignmentRefusal.GroupInUse, Run(host, other.Return).Refusal);
        VirtualMachine two = host.CreateMachine("two", 2 * MiB);
        Assert.True(Run(host, other.Reset).IsDone);
        Assert.Equal(AssignmentRefusal.GroupInUse, Run(host, () => other.Isolate(two)).Refusal);
        Assert.True(Run(host, group.TakeBack).IsDone);
        Assert.All(group.Functions, function => AssertWithHost(host, function));
    }

    [Fact]
    public void A_bus_with_none_but_the_group_on_it_is_reset_for_all_that_cannot_reset_themselves()
    {
        using Host host = Small();
        PciBridge port = new(0x1234, 1);
        DmaDevice[] devices = [new(functionLevelReset: false), new(functionLevelReset: false)];
        host.Pci.Add(port, 1);
        port.Secondary.Add(devices[0], 0);
        port.Secondary.Add(devices[1], 1);
        host.Boot();
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        DeviceGroup group = host.GroupOf(devices[0].Source);
        Assert.True(Run(host, () => group.Assign(vm, [new(0, 6, 0), new(0, 7, 0)])).IsDone);
        foreach (int place in (int[])[6, 7])
        {
            ulong bar = vm.Pci.ReadConfiguration(new(0, place, 0), PciOffset.Bar0, 4);
            vm.Pci.WriteConfiguration(new(0, place, 0), PciOffset.Command, 2, On);
            vm.Cpu.Store(new(bar), 4, 0xABCD);
        }

        Assert.All(devices, device => Assert.Equal(0xABCDul, device.ReadBar(0, 0, 4)));
        Assert.True(Run(host, group.TakeBack).IsDone);
        Assert.All(devices, device => Assert.Equal(0ul, device.ReadBar(0, 0, 4)));
        Assert.All(group.Functions, function => AssertWithHost(host, function));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Without_the_rule_a_device_of_the_host_reaches_the_memory_of_a_VM(bool keepsGroups)
    {
        // The canary: what the rule keeps from happening happens where it is off.
        using Host host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, KeepsGroupsTogether = keepsGroups });
        DmaDevice[] devices = PlugConventional(host);
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        Assignment assignment = host.AssignmentOf(devices[0].Source);
        AssignmentResult result = Run(host, () => assignment.Assign(vm, new(0, 6, 0)));
        Assert.Equal(keepsGroups ? AssignmentRefusal.PartOfGroup : AssignmentRefusal.None, result.Refusal);
        if (keepsGroups)
        {
            Assert.Contains(devices[0].Requester.ToString(), result.Reason, StringComparison.Ordinal);
            return;
        }

        ulong mapped = Call(host, vm, Hypercall.MapDma, 6 << 3, 0x3000, 4096, (ulong)DmaDirection.Bidirectional).Value;
        host.Pci.WriteConfiguration(devices[1].Source, PciOffset.Command, 2, On);
        Assert.Equal(DmaStatus.Success, devices[1].Write(mapped, [0xEE]));
        Assert.Equal(0xEEul, vm.Cpu.Load(new(0x3000), 1));

        // Even so no second VM gets the name of the bridge.
        VirtualMachine two = host.CreateMachine("two", 2 * MiB);
        Assert.Equal(AssignmentRefusal.GroupInUse, Run(host, () => host.AssignmentOf(devices[1].Source).Assign(two, new(0, 6, 0))).Refusal);
    }

    private static DmaDevice[] PlugConventional(Host host)
    {
        PciBridge bridge = new(0x1234, 2, type: null);
        DmaDevice[] devices = [new(), new()];
        host.Pci.Add(bridge, 2);
        bridge.Secondary.Add(devices[0], 0);
        bridge.Secondary.Add(devices[1], 1);
        host.Boot();
        return devices;
    }

    private sealed class BusyDriver : IHostDriver
    {
        public bool IsBusy { get; set; } = true;

        public ValueTask<bool> Release() => new(!IsBusy);

        public ValueTask<bool> Take() => new(true);
    }
}
