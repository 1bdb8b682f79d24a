using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>A device is pulled out, or a guest ends, at any moment of an assignment.</summary>
public sealed class SurpriseTests
{
    private const uint On = (uint)(PciCommand.BusMaster | PciCommand.MemorySpace);
    private static readonly SourceId Place = new(0, 4, 0);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Pulled_out_at_any_moment_a_device_leaves_nothing_behind(bool withItsPort)
    {
        AtEveryMoment(world =>
        {
            world.Host.Loop.Run(() => world.Host.HotUnplug(withItsPort ? world.Port : world.Device).AsTask());
            world.Settle();
            Assert.Equal((AssignmentState.Host, null, null), (world.Assignment.State, world.Assignment.Machine, world.Assignment.DomainId));
            Assert.Equal(0ul, world.Host.Frames.Pins);
            Assert.Empty(world.Vm.Devices);
            Assert.Equal(world.InterruptEntries, world.Host.Remapping.Interrupts!.EntriesFree);
            Assert.Equal(world.TableFrames, world.Host.Remapping.FramesInUse);
            Assert.Equal(world.EptFrames, world.Vm.Memory.Tables.TableFrames);

            // The guest sees all ones.
            Assert.Equal(uint.MaxValue, world.Vm.Pci.ReadConfiguration(Place, PciOffset.VendorId, 4));
            Assert.Equal(ulong.MaxValue, world.Vm.Cpu.Load(new(MemoryLayout.BarStart), 8));
            Assert.Equal(AssignmentRefusal.NotThere, Run(world.Host, () => world.Assignment.Assign(world.Vm, Place)).Refusal);

            // Another one in its place is a device like any other.
            if (withItsPort)
                return;
            world.Port.Secondary.Add(new DmaDevice(), 0);
            Assert.True(Run(world.Host, () => world.Assignment.Assign(world.Vm, Place)).IsDone);
        });
    }

    [Fact]
    public void Whenever_its_guest_ends_the_device_is_back_with_the_host()
    {
        AtEveryMoment(world =>
        {
            world.Host.Loop.Run(() => world.Host.Destroy(world.Vm).AsTask());
            world.Settle();
            AssertWithHost(world.Host, world.Assignment);
            Assert.Equal(world.Free, world.Host.Frames.CountOf(FrameOwner.Free));
            Assert.Equal(world.InterruptEntries, world.Host.Remapping.Interrupts!.EntriesFree);
            Assert.Equal(world.TableFrames, world.Host.Remapping.FramesInUse);
            Assert.Empty(world.Host.Machines);
        });
    }

    [Fact]
    public void A_driver_that_walks_away_from_requests_under_way_changes_no_byte_after_the_take_back()
    {
        using World world = new();
        world.Begin();
        world.Settle();
        ulong mapped = Call(world.Host, world.Vm, Hypercall.MapDma, Place.Value, 0x8000, 4096, (ulong)DmaDirection.Bidirectional).Value;

        // The device writes on and on, whatever becomes of its driver.
        int accepted = 0, refused = 0;
        bool isBack = false;
        void Write()
        {
            bool isDone = world.Device.Write(mapped, [0x77]) == DmaStatus.Success;
            Assert.False(isDone && isBack);
            (accepted, refused) = isDone ? (accepted + 1, refused) : (accepted, refused + 1);
            if (refused < 1000)
                _ = world.Host.Loop.Schedule(1_000, Write);
        }

        Write();
        world.Host.Loop.RunFor(100_000);
        Assert.True(Run(world.Host, world.Assignment.TakeBack).IsDone);
        isBack = true;
        world.Vm.Cpu.Store(new(0x8000), 1, 0);
        world.Settle();
        Assert.True(accepted > 50 && refused == 1000, $"{accepted}, {refused}");
        Assert.Equal(0ul, world.Vm.Cpu.Load(new(0x8000), 1));
        AssertWithHost(world.Host, world.Assignment);
    }

    [Fact]
    public void What_was_plugged_in_and_pulled_out_gives_its_places_back()
    {
        using Host host = Small();
        host.Boot();
        for (int round = 0; round < 300; round++)
        {
            DmaDevice device = new(barBytes: 1 << 26);
            Assert.True(host.HotPlug(device, 3));
            host.Loop.Run(() => host.HotUnplug(device).AsTask());
        }
    }

    // The same journey again and again, and the surprise one event later each time, until the journey is over.
    private static void AtEveryMoment(Action<World> surprise)
    {
        int stride = Property.Depth >= 3 ? 1 : 5;
        bool isOver = false;
        for (int moment = 0; !isOver; moment += stride)
        {
            using World world = new();
            isOver = world.BeginAndStopAt(moment);
            surprise(world);
        }
    }

    private sealed class World : IDisposable
    {
        private bool _isOver;

        public World()
        {
            Host.Pci.Add(Port, 1);
            Port.Secondary.Add(Device, 0);
            Host.Boot();
            Free = Host.Frames.CountOf(FrameOwner.Free);
            Vm = Host.CreateMachine("one", 2 * MiB);
            Assignment = Host.AssignmentOf(Device.Source);

            // There and back, so that the context table of its bus is there already.
            Assert.True(Run(Host, () => Assignment.Assign(Vm, Place)).IsDone);
            Assert.True(Run(Host, Assignment.TakeBack).IsDone);
            (InterruptEntries, TableFrames, EptFrames) = (Host.Remapping.Interrupts!.EntriesFree, Host.Remapping.FramesInUse, Vm.Memory.Tables.TableFrames);
        }

        public Host Host { get; } = Small();

        public PciBridge Port { get; } = new(0x1234, 1, accessControls: AccessControls.Usual);

        public DmaDevice Device { get; } = new();

        public VirtualMachine Vm { get; }

        public Assignment Assignment { get; }

        public ulong Free { get; }

        public int InterruptEntries { get; }

        public int TableFrames { get; }

        public int EptFrames { get; }

        public void Begin() => Host.Loop.Start(Journey);

        /// <summary>Runs a number of events of the journey, or all that it has.</summary>
        public bool BeginAndStopAt(int events)
        {
            Begin();
            ulong end = Host.Loop.EventsRun + (ulong)events;
            _ = Host.Loop.RunUntil(() => _isOver || Host.Loop.EventsRun >= end);
            return _isOver;
        }

        /// <summary>Lets all that is under way come to its end.</summary>
        public void Settle() => Host.Loop.RunFor(10_000_000_000);

        public void Dispose() => Host.Dispose();

        // To a guest, which uses it; nobody cares there whether it is still so.
        private async Task Journey()
        {
            _ = await Assignment.Assign(Vm, Place);
            Vm.Pci.WriteConfiguration(Place, PciOffset.Command, 2, On);
            for (ulong page = 0; page < 5; page++)
            {
                HypercallResult mapped = await Vm.Cpu.Call(Hypercall.MapDma, Place.Value, page << 12, 4096, (ulong)DmaDirection.Bidirectional);
                if (mapped.Refusal == DmaRefusal.None && Device.Bus is not null)
                    _ = Device.Write(mapped.Value, [1]);
                Device.Interrupt();
                await Vm.Cpu.Processor.Delay(10_000);
            }

            _isOver = true;
        }
    }
}
