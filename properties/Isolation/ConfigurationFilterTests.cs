using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>Whatever a guest writes into the configuration space of its device, and behind its BARs, changes nothing that is the host's.</summary>
public sealed class ConfigurationFilterTests
{
    private const int OwnRegister = 0xE0;
    private static readonly SourceId Source = new(0, 3, 0);
    private static readonly SourceId Place = new(0, 1, 0);

    [Fact]
    public void No_write_of_a_guest_changes_more_of_the_real_device_than_it_may()
    {
        Gen<(int Offset, int Width, uint Value)> write =
            from width in Gen.Elements(1, 2, 4)
            from place in Gen.Choose(0, 255)
            from value in Gen.OneOf(Generate.Any64.Select(any => (uint)any), Gen.Elements(0u, uint.MaxValue, 0x8000u, 1u))
            select (place / width * width, width, value);
        Property.Check(Generate.Program(write, 60), program =>
        {
            using Host host = Small();
            ProbeFunction device = Create();
            host.Pci.Add(device, Source.Device);
            host.Boot();
            VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
            Assert.True(Run(host, () => host.AssignmentOf(Source).Assign(vm, Place)).IsDone);
            uint[] before = Read(device);
            int resets = device.Resets;
            IConfigurationAccess guest = new PciConfigurationPorts(vm.Cpu).Open(Place);
            foreach ((int offset, int width, uint value) in program)
            {
                guest.Write(offset, width, value);
                uint[] after = Read(device);
                for (int at = 0; at < after.Length; at++)
                {
                    uint changed = before[at] ^ after[at];

                    // Bus master, registers of the device's own; and its status bits, which the device itself sets.
                    uint allowed = (4 * at) switch
                    {
                        PciOffset.Command => (uint)PciCommand.BusMaster | 0xFFFF_0000,
                        OwnRegister => uint.MaxValue,
                        _ => 0,
                    };
                    Assert.True((changed & ~allowed) == 0, $"{4 * at:X3}h changed by {changed:X}h after {value:X}h was written to {offset:X}h");
                }
            }

            // A reset that the guest asks for is the device's own, and brings nothing of the host's into disorder.
            int express = PciCapabilityList.Find(guest, Place, PciCapabilityId.PciExpress);
            bool asked = program.Any(step => step.Offset <= express + 9 && step.Offset + step.Width > express + 9);
            Assert.True(asked || device.Resets == resets);
            Assert.True(Run(host, host.AssignmentOf(Source).TakeBack).IsDone);
        }, count: 30);
    }

    [Fact]
    public void The_table_of_MSI_X_is_out_of_reach_and_the_page_beside_it_is_not()
    {
        using Host host = Small();
        ProbeFunction device = Create();
        host.Pci.Add(device, Source.Device);
        host.Boot();
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        Assignment assignment = host.AssignmentOf(Source);
        Assert.True(Run(host, () => assignment.Assign(vm, Place)).IsDone);
        ulong bar = vm.Pci.ReadConfiguration(Place, PciOffset.Bar0, 4);
        ulong real = host.Pci.ReadConfiguration(Source, PciOffset.Bar0, 4);
        vm.Pci.WriteConfiguration(Place, PciOffset.Command, 2, (uint)PciCommand.MemorySpace);
        Assert.Equal([0], assignment.MappedBars);

        // The first page is mapped; the second one, with the table in it, exits, and the table itself is not passed on.
        ulong exits = vm.Cpu.Processor.Meter[Cost.Exit];
        vm.Cpu.Store(new(bar + 8), 4, 0x1111);
        Assert.Equal(exits, vm.Cpu.Processor.Meter[Cost.Exit]);
        ulong table = host.Bus.Load(new(real + 0x1000), 4);
        vm.Cpu.Store(new(bar + 0x1000), 4, 0xFEE0_0000);
        vm.Cpu.Store(new(bar + 0x1FF8), 4, 0x2222);
        Assert.Equal(exits + 2, vm.Cpu.Processor.Meter[Cost.Exit]);
        Assert.Equal(table, host.Bus.Load(new(real + 0x1000), 4));
        Assert.Equal(0ul, vm.Cpu.Load(new(bar + 0x1000), 4));
        Assert.Equal((0x1111ul, 0x2222ul), (device.ReadBar(0, 8, 4), device.ReadBar(0, 0x1FF8, 4)));
    }

    [Fact]
    public void Registers_that_are_trapped_hold_the_same_as_registers_that_are_mapped_and_cost_an_exit_each()
    {
        Gen<(ulong Offset, int Width, bool IsStore, ulong Value)> access =
            from width in Generate.Width
            from place in Gen.Choose(0, 0xFFF)
            from isStore in Gen.Elements(true, false)
            from value in Generate.Any64
            select ((ulong)(place / width * width), width, isStore, value);
        Property.Check(Generate.Program(access, 40), program =>
        {
            (ulong[] mapped, ulong mappedExits) = Access(program, isTrapped: false);
            (ulong[] trapped, ulong trappedExits) = Access(program, isTrapped: true);
            Assert.Equal(mapped, trapped);
            Assert.Equal((0ul, (ulong)program.Length), (mappedExits, trappedExits));
        }, count: 12);
    }

    private static (ulong[] Loaded, ulong Exits) Access((ulong Offset, int Width, bool IsStore, ulong Value)[] program, bool isTrapped)
    {
        using Host host = Small();
        DmaDevice device = new();
        host.Pci.Add(device, Source.Device);
        host.Boot();
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        Assignment assignment = host.AssignmentOf(Source);
        assignment.TrapsRegisters = isTrapped;
        Assert.True(Run(host, () => assignment.Assign(vm, Place)).IsDone);
        Assert.Equal(isTrapped ? 0 : 1, Enable(vm, assignment));
        ulong bar = vm.Pci.ReadConfiguration(Place, PciOffset.Bar0, 4);
        ulong exits = vm.Cpu.Processor.Meter[Cost.Exit];
        List<ulong> loaded = [];
        foreach ((ulong offset, int width, bool isStore, ulong value) in program)
        {
            if (isStore)
                vm.Cpu.Store(new(bar + offset), width, value);
            else
                loaded.Add(vm.Cpu.Load(new(bar + offset), width));
        }

        return ([.. loaded], vm.Cpu.Processor.Meter[Cost.Exit] - exits);
    }

    private static int Enable(VirtualMachine vm, Assignment assignment)
    {
        vm.Pci.WriteConfiguration(Place, PciOffset.Command, 2, (uint)PciCommand.MemorySpace);
        return assignment.MappedBars.Count;
    }

    // One with everything that is the host's: two kinds of messages, a power state, ATS.
    private static ProbeFunction Create() => new ProbeFunction()
        .WithBar(0, 0x4000)
        .With(new MsiCapability())
        .With(new MsixCapability(4, 0, 0x1000, 0x1800))
        .With(new PciExpressCapability(PciExpressType.RootComplexEndpoint))
        .With(new PowerCapability())
        .With(new AtsCapability())
        .WithRegister(new(OwnRegister, 4, "OWN", new(0x1234_5678, Writable: uint.MaxValue)));

    private static uint[] Read(ProbeFunction device) => [.. Enumerable.Range(0, 1024).Select(at => device.Configuration.Read(4 * at, 4))];

    // Power management (PCI power management, 3.2): its control register could turn the device off.
    private sealed class PowerCapability() : PciCapability((PciCapabilityId)1, length: 8)
    {
        protected override IEnumerable<Register> Registers => [new(2, 2, "PMC", new(3)), new(4, 2, "PMCS", new(8, Writable: 0x1FFF))];
    }
}
