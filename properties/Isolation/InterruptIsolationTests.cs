using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>A guest makes its device write whatever it likes into the interrupt range: nobody else is interrupted.</summary>
public sealed class InterruptIsolationTests
{
    private const ulong MiB = 1 << 20;

    public static TheoryData<string> Profiles =>
        [.. ProfileChoice.Names.Where(name => HardwareProfile.Named(name).ExtendedCapabilities is { InterruptRemapping: true, QueuedInvalidation: true })];

    // Messages that processors know, handles of the table, and doublewords that are neither.
    private static Gen<(ulong Address, uint Data)> Forgeries =>
        from form in Gen.Choose(0, 3)
        from processor in Gen.Choose(0, 3)
        from handle in Gen.Choose(0, 16)
        from vector in Gen.Choose(0, 255)
        from any in Generate.Any64
        select form switch
        {
            0 => (InterruptRange.First | ((ulong)processor << 12), (uint)vector),
            1 => (InterruptRange.First | 0x10 | ((ulong)handle << 5) | (any & 8), (uint)vector % 4),
            2 => (InterruptRange.First | (any & 0xF_FFFC), (uint)(any >> 32)),
            _ => (InterruptRange.First | 0xF_F000 | (any & 0xC), (uint)vector),
        };

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_device_raises_the_interrupt_of_its_own_guest_and_no_other(string profile) =>
        Property.Check(
            Generate.Program(Forgeries, 40),
            program =>
            {
                using World world = new(HardwareProfile.Named(profile), remap: true);
                foreach ((ulong address, uint data) in program)
                    _ = world.Devices[0].Write(address, BitConverter.GetBytes(data));
                world.Settle();
                Assert.Equal(0ul, world.Assignments[1].InterruptsForwarded);
                Assert.Equal(0ul, world.Host.Interrupts.Unclaimed);
                Assert.Equal(world.Host.Unit.Statistics.Interrupts, world.Host.Unit.InterruptStatistics.Remapped);

                // The neighbour's own interrupts still arrive.
                world.Devices[1].Interrupt();
                world.Settle();
                Assert.Equal(1ul, world.Assignments[1].InterruptsForwarded);
            },
            count: 10);

    [Fact]
    public void Without_remapping_the_same_writes_interrupt_the_neighbour()
    {
        // What the test above would find: the canary of this claim.
        using World world = new(HardwareProfile.Named("friendly"), remap: false);
        for (int vector = 0; vector < 256; vector++)
            Assert.Equal(DmaStatus.Success, world.Devices[0].Write(InterruptRange.First | (1 << 12), BitConverter.GetBytes(vector)));
        world.Settle();
        Assert.Equal(1ul, world.Assignments[1].InterruptsForwarded);
    }

    [Fact]
    public void The_entry_of_a_device_goes_with_it_and_the_fault_says_who_tried()
    {
        using World world = new(HardwareProfile.Named("friendly"), remap: true);
        int free = world.Host.Remapping.Interrupts!.EntriesFree;
        world.Host.Loop.Run(() => world.Assignments[0].TakeBack().AsTask());
        Assert.Equal(free + 1, world.Host.Remapping.Interrupts.EntriesFree);
        world.Host.Pci.WriteConfiguration(world.Devices[0].Source, PciOffset.Command, 2, (uint)PciCommand.BusMaster);
        Assert.Equal(DmaStatus.Blocked, world.Devices[0].Write(InterruptRange.First | 0x18, BitConverter.GetBytes(0)));
        world.Settle();
        LoggedFault fault = Assert.Single(world.Host.Faults.Log);
        Assert.Equal((world.Devices[0].Source, FaultReason.InterruptEntryNotPresent, (int?)0), (fault.Fault.Source, fault.Fault.Reason, fault.Fault.InterruptIndex));
    }

    /// <summary>Two VMs with a device each, whose guests let their devices be bus masters.</summary>
    private sealed class World : IDisposable
    {
        public World(HardwareProfile profile, bool remap)
        {
            Host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 8 * MiB, Profile = profile, RemapInterrupts = remap });
            foreach (DmaDevice device in Devices)
                Host.Pci.Add(device, 3 + Array.IndexOf(Devices, device));
            Host.Boot();
            Assert.Equal(remap, Host.Remapping.Interrupts is not null);
            Host.Loop.Run(async () =>
            {
                for (int number = 0; number < Devices.Length; number++)
                {
                    VirtualMachine machine = Host.CreateMachine($"VM {number}", 4 * MiB);
                    Assignments[number] = Host.AssignmentOf(Devices[number].Source);
                    Assert.Equal(AssignmentResult.Done, await Assignments[number].Assign(machine, new(0, 1, 0)));
                    machine.Pci.WriteConfiguration(new(0, 1, 0), PciOffset.Command, 2, (uint)(PciCommand.BusMaster | PciCommand.MemorySpace));
                }
            });
        }

        public Host Host { get; }

        public DmaDevice[] Devices { get; } = [new(), new()];

        public Assignment[] Assignments { get; } = new Assignment[2];

        public void Settle() => Host.Loop.Run(() => Host.Cpu.Processor.Delay(1_000_000).AsTask());

        public void Dispose() => Host.Dispose();
    }
}
