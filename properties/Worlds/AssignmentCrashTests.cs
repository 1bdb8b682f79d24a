using Dma.Devices;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>The VMM stops between any two of its writes, on the way to a guest, there, and on the way back: nothing remains of it.</summary>
public sealed class AssignmentCrashTests
{
    private const uint On = (uint)(PciCommand.BusMaster | PciCommand.MemorySpace);
    private static readonly SourceId Place = new(0, 4, 0);

    public static TheoryData<string, bool, InterruptDelivery> Worlds => new()
    {
        { "friendly", false, InterruptDelivery.Remapped },
        { "friendly-scalable", true, InterruptDelivery.Remapped },
        { "friendly", false, InterruptDelivery.Posted },
        { "hostile", false, InterruptDelivery.Remapped },
        { "minimal", false, InterruptDelivery.Remapped },
    };

    [Theory]
    [MemberData(nameof(Worlds))]
    public void Whichever_write_a_journey_stops_before_the_take_back_leaves_nothing_behind(string profile, bool scalable, InterruptDelivery delivery)
    {
        int writes = 0;
        bool hasStopped = true;
        for (; hasStopped; writes += profile == "friendly" || Property.Depth >= 3 ? 1 : 3)
        {
            using CrashWorld world = new(profile, scalable, delivery);
            hasStopped = world.Stop(writes, world.Journey);
            world.Recover();
        }

        // The whole journey was made once, and it is no short one.
        Assert.True(writes > 80, $"{writes}");
    }

    [Fact]
    public void A_take_back_that_stops_itself_is_taken_up_by_the_next_one()
    {
        int stops = 0;
        for (int writes = 0; ; writes += Property.Depth >= 3 ? 3 : 9)
        {
            bool hasStopped = true;
            for (int back = 0; hasStopped; back += 5)
            {
                using CrashWorld world = new("friendly", scalable: false, InterruptDelivery.Remapped);
                if (!world.Stop(writes, world.Journey))
                {
                    Assert.True(stops > 50, $"{stops}");
                    return;
                }

                hasStopped = world.Stop(back, async () => _ = await world.Assignment.TakeBack());
                stops += hasStopped ? 1 : 0;
                world.Recover();
            }
        }
    }

    [Fact]
    public void A_device_that_translates_for_itself_is_no_exception()
    {
        int writes = 0;
        for (bool hasStopped = true; hasStopped; writes++)
        {
            StoppedWrite stop = new();
            using Host host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, BeforeWrite = stop.BeforeWrite });
            PciBridge port = new(0x8086, 0x3420, accessControls: AccessControls.Usual);
            AtsDevice device = new(host.Loop);
            port.Secondary.Add(device, 0);
            host.Pci.Add(port, 1);
            host.Boot();
            VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
            Assignment assignment = host.AssignmentOf(device.Source);
            assignment.TrustsDeviceTlb = true;
            Assert.True(Run(host, () => assignment.Assign(vm, Place)).IsDone);
            Assert.True(Run(host, assignment.TakeBack).IsDone);
            (HostState Device, HostState Port) before = (HostState.Of(host, device), HostState.Of(host, port));
            hasStopped = stop.Stops(writes, host, async () =>
            {
                _ = await assignment.Assign(vm, Place);
                vm.Pci.WriteConfiguration(Place, PciOffset.Command, 2, On);
                HypercallResult mapped = await vm.Cpu.Call(Hypercall.MapDma, Place.Value, 0x1000, 4096, (ulong)DmaDirection.Bidirectional);
                Assert.Equal((uint)DmaStatus.Success, device.Do(AtsCommand.Write, mapped.Value));
                Assert.Equal(1, device.Port.Count);
                _ = await vm.Cpu.Call(Hypercall.UnmapDma, Place.Value, mapped.Value, 4096);
                Assert.True((await assignment.TakeBack()).IsDone);
            });
            Assert.Equal(AssignmentResult.Done, Run(host, assignment.TakeBack));
            Assert.Equal(before, (HostState.Of(host, device), HostState.Of(host, port)));
            Assert.Equal((false, 0), (device.Ats.IsEnabled, device.Port.Count));
            Assert.True(Run(host, () => assignment.Assign(vm, Place)).IsDone);
        }

        Assert.True(writes > 80, $"{writes}");
    }

    [Fact]
    public void Other_steps_are_refused_after_one_that_broke_off()
    {
        using CrashWorld world = new("friendly", scalable: false, InterruptDelivery.Remapped);
        Assert.True(world.Stop(3, world.Journey));
        Assert.True(world.Assignment.IsInterrupted);
        Assert.Equal(AssignmentRefusal.Interrupted, Run(world.Host, world.Assignment.Detach).Refusal);
        world.Recover();
        Assert.False(world.Assignment.IsInterrupted);
    }

    [Fact]
    public void Where_the_take_back_is_left_out_something_remains()
    {
        // The canary: what the other tests look for is there to be found.
        int remains = 0;
        for (int writes = 0; ; writes += 10)
        {
            using CrashWorld world = new("friendly", scalable: false, InterruptDelivery.Remapped);
            if (!world.Stop(writes, world.Journey))
                break;
            remains += world.HasRemains ? 1 : 0;
        }

        Assert.True(remains >= 8, $"{remains}");
    }

    private sealed class CrashWorld : IDisposable
    {
        private readonly StoppedWrite _stop = new();
        private readonly DmaDevice _device = new();
        private readonly DmaDevice _other = new();
        private readonly VirtualMachine _vm;
        private readonly VirtualMachine _bystander;
        private readonly ulong _bystanders;
        private readonly HostState _before;

        public CrashWorld(string profile, bool scalable, InterruptDelivery delivery)
        {
            Host = new(new()
            {
                MemoryBytes = 64 * MiB,
                VmmBytes = 16 * MiB,
                Profile = HardwareProfile.Named(profile),
                Scalable = scalable,
                Delivery = delivery,
                BeforeWrite = _stop.BeforeWrite,
            });
            Host.Pci.Add(_device, 3);
            Host.Pci.Add(_other, 5);
            Host.Boot();
            _bystander = Host.CreateMachine("bystander", 2 * MiB);
            _vm = Host.CreateMachine("one", 2 * MiB);
            Assert.True(Run(Host, () => Host.AssignmentOf(_other.Source).Assign(_bystander, Place)).IsDone);
            _bystander.Pci.WriteConfiguration(Place, PciOffset.Command, 2, On);
            _bystanders = Call(Host, _bystander, Hypercall.MapDma, Place.Value, 0x1000, 4096, (ulong)DmaDirection.Bidirectional).Value;
            Assignment = Host.AssignmentOf(_device.Source);

            // Once there and back, so that what stays for the next time is there already: a processor to notify.
            Assert.True(Run(Host, () => Assignment.Assign(_vm, Place)).IsDone);
            Assert.True(Run(Host, Assignment.TakeBack).IsDone);
            _before = HostState.Of(Host, _device);
        }

        public Host Host { get; }

        public Assignment Assignment { get; }

        public bool HasRemains => HostState.Of(Host, _device) != _before;

        public bool Stop(int writes, Func<Task> work) => _stop.Stops(writes, Host, work);

        // To the guest, a guest's life with it, and back.
        public async Task Journey()
        {
            _ = await Assignment.Assign(_vm, Place);
            _vm.Pci.WriteConfiguration(Place, PciOffset.Command, 2, On);
            HypercallResult one = await _vm.Cpu.Call(Hypercall.MapDma, Place.Value, 0x1800, 8192, (ulong)DmaDirection.FromDevice);
            HypercallResult two = await _vm.Cpu.Call(Hypercall.MapDma, Place.Value, 0x20_0000 - 4096, 4096, (ulong)DmaDirection.Bidirectional);
            Assert.Equal((DmaRefusal.None, DmaRefusal.None), (one.Refusal, two.Refusal));
            IConfigurationAccess guest = new PciConfigurationPorts(_vm.Cpu).Open(Place);
            int msi = PciCapabilityList.Find(guest, Place, PciCapabilityId.Msi);
            guest.Write32(msi + 4, 0xFEE0_0000);
            guest.Write16(msi + 12, 0x41);
            guest.Write16(msi + 2, 1);
            Assert.Equal(DmaStatus.Success, _device.Write(one.Value, [1, 2, 3]));
            _device.Interrupt();
            await _vm.Cpu.Processor.Delay(10_000);
            guest.Write32(PciOffset.Bar0, 0xD000_0000);
            Assert.Equal(DmaRefusal.None, (await _vm.Cpu.Call(Hypercall.UnmapDma, Place.Value, two.Value, 4096)).Refusal);
            Assert.True((await Assignment.TakeBack()).IsDone);
        }

        public void Recover()
        {
            Assert.Equal(AssignmentResult.Done, Run(Host, Assignment.TakeBack));
            Host.Loop.RunFor(1_000_000);
            Assert.Equal(AssignmentState.Host, Assignment.State);
            Assert.Equal(_before, HostState.Of(Host, _device));

            // The other VM noticed nothing.
            Assert.Equal(DmaStatus.Success, _other.Write(_bystanders, [0x5A]));
            Assert.Equal(0x5Aul, _bystander.Cpu.Load(new(0x1000), 1));

            // What the device still tries reaches nobody, and raises nothing.
            ulong delivered = _vm.Interrupts.Delivered;
            Assert.Equal(DmaStatus.NotMaster, _device.Write(DmaMappings.WindowStart, [9]));
            _device.Interrupt();
            Host.Loop.RunFor(1_000_000);
            Assert.Equal(delivered, _vm.Interrupts.Delivered);

            // And it can be assigned again.
            Assert.Equal(AssignmentResult.Done, Run(Host, () => Assignment.Assign(_vm, Place)));
            Assert.Equal(AssignmentResult.Done, Run(Host, Assignment.TakeBack));
            Assert.Equal(_before, HostState.Of(Host, _device));
        }

        public void Dispose() => Host.Dispose();
    }
}
