using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

public sealed class AssignmentTests
{
    private const ulong MiB = 1 << 20;

    public static TheoryData<string> Profiles => [.. HardwareProfile.Names];

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
}
