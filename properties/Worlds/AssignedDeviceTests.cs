using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>What a guest can do with the device that it was given, and what nobody else can.</summary>
public sealed class AssignedDeviceTests
{
    [Fact]
    public void Another_guest_neither_sees_nor_maps_nor_gets_an_assigned_device()
    {
        using Host host = Small();
        DmaDevice device = new();
        host.Pci.Add(device, 3);
        host.Boot();
        VirtualMachine owner = host.CreateMachine("owner", 2 * MiB);
        VirtualMachine other = host.CreateMachine("other", 2 * MiB);
        Assignment assignment = host.AssignmentOf(device.Source);
        Assert.True(Run(host, () => assignment.Assign(owner, new(0, 1, 0))).IsDone);
        Assert.Equal(AssignmentRefusal.WrongState, Run(host, () => assignment.Assign(other, new(0, 1, 0))).Refusal);
        Assert.Equal(owner, assignment.Machine);

        // Every configuration cycle, through the ports of the guest.
        for (int place = 0; place < 256; place++)
        {
            other.Cpu.Out(0xCF8, 4, 0x8000_0000 | ((uint)place << 8));
            Assert.Equal(uint.MaxValue, other.Cpu.In(0xCFC, 4));
            other.Cpu.Out(0xCF8, 4, 0x8000_0004 | ((uint)place << 8));
            other.Cpu.Out(0xCFC, 2, 0x6);
        }

        Assert.False(device.Command.HasFlag(PciCommand.BusMaster));
        foreach (ulong handle in (ulong[])[1 << 3, device.Source.Value])
        {
            Assert.Equal(DmaRefusal.NotAssigned, Call(host, other, Hypercall.MapDma, handle, 0, 4096, 3).Refusal);
            Assert.Equal(DmaRefusal.NotAssigned, Call(host, other, Hypercall.UnmapDma, handle, 0, 4096).Refusal);
        }

        Assert.Equal(DmaRefusal.NotAssigned, Call(host, other, Hypercall.FindDevice).Refusal);

        // Nor through its registers.
        ulong bar = owner.Pci.ReadConfiguration(new(0, 1, 0), PciOffset.Bar0, 4);
        owner.Pci.WriteConfiguration(new(0, 1, 0), PciOffset.Command, 2, (uint)PciCommand.MemorySpace);
        owner.Cpu.Store(new(bar), 4, 0x600D);
        Assert.Equal(uint.MaxValue, other.Cpu.Load(new(bar), 4));
        other.Cpu.Store(new(bar), 4, 0xBAD);
        other.Cpu.Store(new(host.Pci.ReadConfiguration(device.Source, PciOffset.Bar0, 4)), 4, 0xBAD);
        Assert.Equal(0x600Dul, device.ReadBar(0, 0, 4));
    }

    [Fact]
    public void Destroying_a_machine_returns_everything_it_had()
    {
        using Host host = Small();
        DmaDevice[] devices = [new(), new()];
        host.Pci.Add(devices[0], 3);
        host.Pci.Add(devices[1], 4);
        host.Boot();
        ulong free = host.Frames.CountOf(FrameOwner.Free);
        int tables = host.Remapping.FramesInUse;
        VirtualMachine vm = host.CreateMachine("one", 6 * MiB);
        foreach (DmaDevice device in devices)
        {
            Assert.True(Run(host, () => host.AssignmentOf(device.Source).Assign(vm, new(0, device.Source.Device, 0))).IsDone);
            vm.Pci.WriteConfiguration(new(0, device.Source.Device, 0), PciOffset.Command, 2, 6);
            for (ulong page = 0; page < 20; page++)
                Assert.Equal(DmaRefusal.None, Call(host, vm, Hypercall.MapDma, (ulong)device.Source.Device << 3, page << 13, 5000, 3).Refusal);
        }

        Assert.Equal(80ul, host.Frames.Pins);
        host.Loop.Run(() => host.Destroy(vm).AsTask());
        foreach (DmaDevice device in devices)
        {
            AssertWithHost(host, host.AssignmentOf(device.Source));
            Assert.Equal(DmaStatus.NotMaster, device.Write(DmaMappings.WindowStart, [1]));
        }

        Assert.Equal(free, host.Frames.CountOf(FrameOwner.Free));

        // The context table of bus 0 stays for the next one.
        Assert.InRange(host.Remapping.FramesInUse, tables, tables + 1);
        Assert.Equal(DmaRefusal.Denied, Call(host, vm, Hypercall.FindDevice).Refusal);
    }

    [Fact]
    public void Interrupts_reach_the_vector_that_the_guest_chose_and_no_other()
    {
        using OneDevice world = new();
        (Host host, DmaDevice device, VirtualMachine vm, Assignment assignment) = world;
        world.Assign();
        host.Loop.Run(async () =>
        {
            ParavirtualDmaSpace dma = new(vm.Cpu, new(new(0), 2 * MiB), vm.Cpu, new(0, 1, 0));
            PciDevice opened = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), new(0, 1, 0), dma, vector: 0x41);
            device.Interrupt();
            Assert.True(await opened.Interrupt.Wait(1_000_000));
            Assert.False(await opened.Interrupt.Wait(1_000_000));
            Assert.Equal(1ul, vm.Cpu.Processor.Meter[Cost.InterruptInjection]);
            Assert.Equal((1ul, 0ul), (vm.Interrupts.Delivered, vm.Interrupts.Unclaimed));

            // Masked by the guest: it waits in the virtual function, not on the host.
            IConfigurationAccess space = opened.Configuration;
            int msi = PciCapabilityList.Find(space, new(0, 1, 0), PciCapabilityId.Msi);
            space.Write32(msi + 16, 1);
            device.Interrupt();
            Assert.False(await opened.Interrupt.Wait(1_000_000));
            Assert.Equal(1u, space.Read32(msi + 20));
            space.Write32(msi + 16, 0);
            Assert.True(await opened.Interrupt.Wait(1_000_000));

            // Where the guest points its message is the guest's business; the real one does not move.
            space.Write16(msi + 12, 0x55);
            device.Interrupt();
            Assert.True(await vm.Cpu.Processor.Wait(vm.Cpu.Vector(0x55), 1_000_000));
            Assert.Equal(0u, host.Interrupts.Unclaimed);
            Assert.Equal(3ul, assignment.InterruptsForwarded);

            // After the return, nothing of the device gets to the guest.
            ulong delivered = vm.Interrupts.Delivered;
            Assert.True((await assignment.TakeBack()).IsDone);
            device.Interrupt();
            await vm.Cpu.Processor.Delay(1_000_000);
            Assert.Equal(delivered, vm.Interrupts.Delivered);
        });
    }

    [Fact]
    public void A_guest_moves_resets_and_reconfigures_its_device_without_touching_what_is_the_hosts()
    {
        using OneDevice world = new();
        (Host host, DmaDevice device, VirtualMachine vm, Assignment assignment) = world;
        world.Assign();
        IConfigurationAccess guest = new PciConfigurationPorts(vm.Cpu).Open(new(0, 1, 0));
        IConfigurationAccess real = host.Configuration.Open(device.Source);
        uint hostBar = real.Read32(PciOffset.Bar0);

        // Wherever the guest puts its BAR, the registers are there and the real BAR stays; not over its memory.
        guest.Write16(PciOffset.Command, (ushort)(PciCommand.MemorySpace | PciCommand.BusMaster));
        foreach ((ulong place, bool isDirect) in new[] { (0xD000_0000ul, true), (0x8000_0000ul, true), (0x1F_E000ul, false), (0xFFFF_E000ul, true), (0ul, false) })
        {
            guest.Write32(PciOffset.Bar0, (uint)place);
            Assert.Equal(isDirect, assignment.MappedBars.Count == 1);
            vm.Cpu.Store(new(place), 4, 0x1234);
            Assert.Equal(isDirect ? 0x1234ul : 0, device.ReadBar(0, 0, 4));
            device.WriteBar(0, 0, 4, 0);
            Assert.Equal(hostBar, real.Read32(PciOffset.Bar0));
        }

        // Its own registers pass through, capabilities of the host do not.
        guest.Write32(0xE0, 0xAAAA_5555);
        Assert.Equal(0x1122_5555u, real.Read32(0xE0));
        Assert.Equal(0x1122_5555u, guest.Read32(0xE0));
        guest.Write8(0xE1, 0x66);
        Assert.Equal(0x1122_6655u, real.Read32(0xE0));

        // Its reset is the device's, and brings back what is the host's: place, message, silence.
        int resets = device.Resets;
        guest.Write32(PciOffset.Bar0, 0xD000_0000);
        device.WriteBar(0, 0, 4, 7);
        int express = PciCapabilityList.Find(guest, new(0, 1, 0), PciCapabilityId.PciExpress);
        guest.Write16(express + 8, 1 << 15);
        Assert.Equal(resets + 1, device.Resets);
        Assert.Equal(0ul, device.ReadBar(0, 0, 4));
        Assert.Equal(hostBar, real.Read32(PciOffset.Bar0));
        Assert.Equal(PciCommand.MemorySpace | PciCommand.InterruptDisable, device.Command);
        Assert.Equal(0u, guest.Read16(PciOffset.Command));
        Assert.Empty(assignment.MappedBars);
        Assert.Equal(0x1122_3344u, guest.Read32(0xE0));
        int msi = PciCapabilityList.Find(real, device.Source, PciCapabilityId.Msi);
        Assert.Equal(1, real.Read16(msi + 2) & 1);
    }

    [Fact]
    public void A_small_bar_is_passed_on_by_exits_where_the_guest_moves_it_off_its_page()
    {
        using OneDevice world = new(new(barBytes: 1024));
        (Host host, DmaDevice device, VirtualMachine vm, Assignment assignment) = world;
        world.Assign();
        vm.Pci.WriteConfiguration(new(0, 1, 0), PciOffset.Command, 2, (uint)PciCommand.MemorySpace);
        Assert.Single(assignment.MappedBars);
        vm.Pci.WriteConfiguration(new(0, 1, 0), PciOffset.Bar0, 4, 0xD000_0400);
        Assert.Empty(assignment.MappedBars);
        ulong exits = vm.Cpu.Processor.Meter[Cost.Exit];
        vm.Cpu.Store(new(0xD000_0408), 8, 0x0123_4567_89AB_CDEF);
        Assert.Equal(0x0123_4567_89AB_CDEFul, vm.Cpu.Load(new(0xD000_0408), 8));
        Assert.Equal(0x0123_4567_89AB_CDEFul, device.ReadBar(0, 8, 8));
        Assert.Equal(exits + 2, vm.Cpu.Processor.Meter[Cost.Exit]);
        Assert.Equal(ulong.MaxValue, vm.Cpu.Load(new(0xD000_0800), 8));
    }

    [Fact]
    public void Faults_are_logged_with_their_machine_and_do_not_stop_another()
    {
        using Host host = Small();
        DmaDevice bad = new();
        DmaDevice good = new();
        host.Pci.Add(bad, 3);
        host.Pci.Add(good, 4);
        host.Boot();
        VirtualMachine one = host.CreateMachine("one", 2 * MiB);
        VirtualMachine two = host.CreateMachine("two", 2 * MiB);
        Assert.True(Run(host, () => host.AssignmentOf(bad.Source).Assign(one, new(0, 1, 0))).IsDone);
        Assert.True(Run(host, () => host.AssignmentOf(good.Source).Assign(two, new(0, 1, 0))).IsDone);
        one.Pci.WriteConfiguration(new(0, 1, 0), PciOffset.Command, 2, (uint)PciCommand.BusMaster);
        two.Pci.WriteConfiguration(new(0, 1, 0), PciOffset.Command, 2, (uint)PciCommand.BusMaster);
        ulong mapped = Call(host, two, Hypercall.MapDma, 8, 0, 4096, 3).Value;
        for (int round = 0; round < 50; round++)
        {
            for (int request = 0; request < 20; request++)
                Assert.Equal(DmaStatus.Blocked, bad.Write((ulong)request << 12, [1]));
            Assert.Equal(DmaStatus.Success, good.Write(mapped, [1]));
            host.Loop.RunFor(20_000);
        }

        Assert.InRange(host.Faults.Total, 50ul, 1000ul);
        Assert.Equal(host.Faults.Total, host.Faults.CountOf(bad.Source));
        Assert.All(host.Faults.Log, fault => Assert.Equal(("one", bad.Source, true), (fault.Machine, fault.Fault.Source, fault.Fault.Write)));
        Assert.Equal(0ul, host.Faults.CountOf(good.Source));
    }
}
