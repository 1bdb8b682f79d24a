using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>Devices that firmware uses with memory of its own (RMRR): with the host, and on the way to a VM.</summary>
public sealed class ReservedMemoryTests
{
    private const uint On = (uint)(PciCommand.BusMaster | PciCommand.MemorySpace);
    private static readonly SourceId Source = new(0, 3, 0);
    private static readonly SourceId Place = new(0, 1, 0);
    private static readonly ReservedRegion Region = new(new(48 * MiB), 2 * 4096, [Source]);

    [Fact]
    public void With_the_host_a_device_reaches_its_regions_and_nothing_else()
    {
        using Host host = Create(ReservedMemoryPolicy.Refuse, out DmaDevice device);
        host.Pci.WriteConfiguration(Source, PciOffset.Command, 2, On);
        Assert.Equal(DmaStatus.Success, device.Write(Region.Start.Value + 4096, [1]));
        Assert.Equal(DmaStatus.Blocked, device.Write(Region.Start.Value + Region.Length, [1]));
        Assert.Equal(DmaStatus.Blocked, device.Write(Region.Start.Value - 1, [1]));

        // No VM ever gets these frames.
        VirtualMachine vm = host.CreateMachine("all", host.Frames.CountOf(FrameOwner.Free) * 4096 - MiB);
        Assert.Equal(FrameOwner.Vmm, host.Frames.OwnerOf(Region.Start));
        Assert.Empty(vm.ReservedMemory);
    }

    [Theory]
    [InlineData(ReservedMemoryPolicy.Refuse, 0x0C_03_20u, false)]
    [InlineData(ReservedMemoryPolicy.RefuseUnlessDone, 0x0C_03_20u, true)]
    [InlineData(ReservedMemoryPolicy.RefuseUnlessDone, 0x03_00_00u, true)]
    [InlineData(ReservedMemoryPolicy.RefuseUnlessDone, 0x02_00_00u, false)]
    [InlineData(ReservedMemoryPolicy.KeepMapped, 0x02_00_00u, true)]
    public void The_policy_decides_whether_such_a_device_goes_to_a_VM(ReservedMemoryPolicy policy, uint classCode, bool goes)
    {
        using Host host = Create(policy, out DmaDevice device, classCode);
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        Assignment assignment = host.AssignmentOf(Source);
        Assert.Equal(goes ? AssignmentRefusal.None : AssignmentRefusal.ReservedMemory, Run(host, () => assignment.Assign(vm, Place)).Refusal);
        if (!goes)
        {
            Assert.Equal(AssignmentState.Host, assignment.State);
            return;
        }

        // Kept regions are where they were, next to what the guest maps; others are not there.
        vm.Pci.WriteConfiguration(Place, PciOffset.Command, 2, On);
        bool isKept = policy == ReservedMemoryPolicy.KeepMapped;
        Assert.Equal(isKept ? DmaStatus.Success : DmaStatus.Blocked, device.Write(Region.Start.Value, [7]));
        Assert.Equal(isKept ? [Region] : [], vm.ReservedMemory);
        ulong mapped = Call(host, vm, Hypercall.MapDma, Place.Value, 0, 4096, 3).Value;
        Assert.Equal(DmaStatus.Success, device.Write(mapped, [7]));

        // Back with the host, the device has its regions again, and nothing of the guest.
        Assert.True(Run(host, assignment.TakeBack).IsDone);
        Assert.Empty(vm.ReservedMemory);
        host.Pci.WriteConfiguration(Source, PciOffset.Command, 2, On);
        Assert.Equal(DmaStatus.Success, device.Write(Region.Start.Value, [7]));
        Assert.Equal(DmaStatus.Blocked, device.Write(mapped, [7]));
        Assert.Equal(0ul, host.Frames.Pins);
    }

    [Fact]
    public void On_the_way_to_a_VM_a_device_reaches_nothing_at_all()
    {
        using Host host = Create(ReservedMemoryPolicy.KeepMapped, out DmaDevice device);
        Assignment assignment = host.AssignmentOf(Source);
        Assert.True(Run(host, assignment.Detach).IsDone);
        Assert.Null(host.ReservedDomainOf(Source));
        host.Pci.WriteConfiguration(Source, PciOffset.Command, 2, On);
        Assert.Equal(DmaStatus.Blocked, device.Write(Region.Start.Value, [1]));
        Assert.True(Run(host, assignment.TakeBack).IsDone);
        Assert.NotNull(host.ReservedDomainOf(Source));
    }

    [Fact]
    public void A_VM_with_memory_of_its_own_at_such_addresses_does_not_get_the_device()
    {
        ReservedRegion low = new(new(16 * MiB), 4096, [Source]);
        using Host host = new(new()
        {
            MemoryBytes = 64 * MiB,
            VmmBytes = 16 * MiB,
            ReservedMemory = [low],
            ReservedMemoryPolicy = ReservedMemoryPolicy.KeepMapped,
        });
        host.Pci.Add(new DmaDevice(), 3);
        host.Boot();
        VirtualMachine large = host.CreateMachine("large", 18 * MiB);
        VirtualMachine small = host.CreateMachine("small", 16 * MiB);
        AssignmentResult refused = Run(host, () => host.AssignmentOf(Source).Assign(large, Place));
        Assert.Equal(AssignmentRefusal.ReservedMemory, refused.Refusal);
        Assert.Contains("1000000h to 1000FFFh", refused.Reason, StringComparison.Ordinal);
        Assert.True(Run(host, () => host.AssignmentOf(Source).Assign(small, Place)).IsDone);
    }

    [Fact]
    public void Two_such_devices_under_the_name_of_a_bridge_reach_their_regions_until_the_bridge_is_pulled_out()
    {
        ReservedRegion[] regions = [new(new(48 * MiB), 4096, [new(1, 0, 0)]), new(new(49 * MiB), 4096, [new(1, 1, 0)])];
        using Host host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, ReservedMemory = regions });
        PciBridge bridge = new(0x1234, 2, type: null);
        DmaDevice[] devices = [new(), new()];
        bridge.Secondary.Add(devices[0], 0);
        bridge.Secondary.Add(devices[1], 1);
        host.Pci.Add(bridge, 2);
        host.Boot();
        Assert.NotNull(host.ReservedDomainOf(devices[0].Source));
        for (int device = 0; device < devices.Length; device++)
        {
            host.Pci.WriteConfiguration(devices[device].Source, PciOffset.Command, 2, On);
            Assert.Equal(DmaStatus.Success, devices[device].Write(regions[device].Start.Value, [1]));
        }

        SourceId requester = devices[0].Requester;
        host.Loop.Run(() => host.HotUnplug(bridge).AsTask());
        Assert.Null(host.ReservedDomainOf(new(1, 0, 0)));
        Assert.Null(host.ReservedDomainOf(new(1, 1, 0)));
        Assert.False(host.Remapping.IsAttached(requester));
    }

    [Fact]
    public void Regions_that_are_no_memory_or_the_VMMs_own_are_refused()
    {
        foreach ((ulong start, ulong length) in new[] { (64 * MiB, 4096ul), (0ul, 4096ul), (48 * MiB, 100ul), (48 * MiB + 1, 4096ul), (48 * MiB, 0ul) })
        {
            HostOptions options = new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, ReservedMemory = [new(new(start), length, [Source])] };
            Assert.Throws<ArgumentException>(() => new Host(options));
        }
    }

    private static Host Create(ReservedMemoryPolicy policy, out DmaDevice device, uint classCode = 0x0C_03_20)
    {
        Host host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, ReservedMemory = [Region], ReservedMemoryPolicy = policy });
        host.Pci.Add(device = new(classCode: classCode), Source.Device);
        host.Boot();
        return host;
    }
}
