using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;
using FsCheck.Fluent;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>Pages of a VM move and are swapped while its processor and its device work: a flat array of bytes is what both find.</summary>
public sealed class OvercommitTests
{
    private const ulong PageSize = 4096;
    private const ulong GuestBytes = 4 * MiB;
    private const int Pages = 64;

    private enum What
    {
        Load,
        Store,
        Map,
        Unmap,
        DeviceRead,
        DeviceWrite,
        Move,
        MoveTo,
        SwapOut,
        TakeFrames,
        GiveFrames,
        MoveAndStore,
        MoveAndMap,
        SwapAndLoad,
        SwapAndStore,
    }

    public static TheoryData<string> Profiles => ["friendly", "hostile", "minimal"];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void Contents_never_differ_and_what_is_mapped_never_leaves_its_frame(string profile) => Property.Check(
        Generate.Program(
            from what in Gen.Elements(Enum.GetValues<What>())
            from page in Gen.Choose(0, Pages - 1)
            from length in Gen.Choose(1, 9000)
            from seed in Gen.Choose(0, int.MaxValue - 1)
            select (what, page, length, seed), 60),
        program =>
        {
            using World world = new(HardwareProfile.Named(profile));
            world.Host.Loop.Run(async () =>
            {
                foreach ((What what, int page, int length, int seed) in program)
                {
                    await world.Take(what, (ulong)page, length, new(seed));
                    world.AssertMappedIsPinned();
                }

                await world.End();
            });
        },
        8);

    [Fact]
    public void A_pinned_page_stays_and_the_reason_is_said()
    {
        using World world = new(HardwareProfile.Named("friendly"));
        world.Host.Loop.Run(async () =>
        {
            VirtualMachine vm = world.Machine;
            Assert.Equal(PageRefusal.NotMemory, await vm.Mover.Move(new(GuestBytes)));
            Assert.Equal(PageRefusal.NoFrame, await vm.Mover.Move(new(0x3000), new(0)));
            await world.Map(3, 100, new(1));
            Assert.Equal(PageRefusal.Pinned, await vm.Mover.Move(new(0x3FFF)));
            Assert.Equal(PageRefusal.Pinned, await vm.Mover.SwapOut(new(0x3000)));
            Assert.Equal(PageRefusal.None, await vm.Mover.SwapOut(new(0x4000)));
            Assert.Equal(PageRefusal.NotResident, await vm.Mover.Move(new(0x4000)));
            Assert.Equal(PageRefusal.NotResident, await vm.Mover.SwapOut(new(0x4000)));
            Assert.Equal((GuestBytes / PageSize) - 1, world.Host.Frames.CountOf(vm.Owner));

            Task<PageRefusal> first = vm.Mover.Move(new(0x5000)).AsTask();
            Assert.Equal(PageRefusal.Busy, await vm.Mover.SwapOut(new(0x5000)));
            Assert.Equal(PageRefusal.None, await first);
            await world.End();
            Assert.Equal(PageRefusal.NotMemory, await vm.Mover.Move(new(0x5000)));
        });
    }

    [Fact]
    public void A_page_that_is_pinned_or_written_while_it_is_copied_stays_where_it_is()
    {
        using World world = new(HardwareProfile.Named("friendly"));
        world.Host.Loop.Run(async () =>
        {
            VirtualMachine vm = world.Machine;
            PhysicalAddress frame = vm.Memory.Tables.Walk(new(0x3000), EptRights.Read).Address;
            Task<PageRefusal> move = vm.Mover.Move(new(0x3000)).AsTask();
            await world.Map(3, 4096, new(1));
            Assert.Equal(PageRefusal.Pinned, await move);
            Assert.Equal(frame, vm.Memory.Tables.Walk(new(0x3000), EptRights.ReadWrite).Address);
            await world.UnmapAll();

            move = vm.Mover.Move(new(0x3000)).AsTask();
            vm.Cpu.Store(new(0x3008), 8, 77);
            Assert.Equal(PageRefusal.Changed, await move);
            Assert.Equal(77ul, vm.Cpu.Load(new(0x3008), 8));

            // One that was only read moves, and so does one that is pinned no more.
            move = vm.Mover.Move(new(0x3000)).AsTask();
            Assert.Equal(77ul, vm.Cpu.Load(new(0x3008), 8));
            Assert.Equal(PageRefusal.None, await move);
            Assert.NotEqual(frame, vm.Memory.Tables.Walk(new(0x3000), EptRights.ReadWrite).Address);
            Assert.Equal(77ul, vm.Cpu.Load(new(0x3008), 8));
            Assert.Equal(FrameOwner.Free, world.Host.Frames.OwnerOf(frame));
            vm.Cpu.Store(new(0x3008), 8, 0);
            await world.End();
        });
    }

    [Fact]
    public void A_VM_that_ends_in_the_middle_of_a_move_leaves_no_frame_behind()
    {
        using World world = new(HardwareProfile.Named("friendly"));
        world.Host.Loop.Run(async () =>
        {
            await world.TakeBack();
            Task<PageRefusal> move = world.Machine.Mover.Move(new(0x3000)).AsTask();
            Task<PageRefusal> swap = world.Machine.Mover.SwapOut(new(0x9000)).AsTask();
            await world.Host.Destroy(world.Machine);
            Assert.Equal(PageRefusal.Changed, await swap);
            Assert.Equal(PageRefusal.Changed, await move);
            Assert.Equal(0ul, world.Host.Frames.CountOf(world.Machine.Owner));
        });
    }

    [Fact]
    public void More_memory_than_there_is_serves_two_VMs()
    {
        // 64 MiB, of which the VMM has 16, and two VMs with 40 MiB each: the second one gets what the first one does not need now.
        using Host host = Small();
        host.Boot();
        VirtualMachine first = host.CreateMachine("first", 40 * MiB);
        Assert.Null(host.TryCreateMachine("second", 40 * MiB));
        host.Loop.Run(async () =>
        {
            for (ulong page = 0; page < 40 * MiB / PageSize; page++)
            {
                first.Cpu.Store(new(page * PageSize), 8, page + 1);
                if (page % 4 != 0)
                    Assert.Equal(PageRefusal.None, await first.Mover.SwapOut(new(page * PageSize)));
            }
        });
        VirtualMachine second = host.CreateMachine("second", 36 * MiB);
        for (ulong page = 0; page < 40 * MiB / PageSize; page++)
            Assert.Equal(page + 1, first.Cpu.Load(new(page * PageSize), 8));
        Assert.Equal(0ul, second.Cpu.Load(new(36 * MiB - 8), 8));
        Assert.True(first.Memory.Swap.Out > 40 * MiB / PageSize * 3 / 4);
        Assert.Equal(36 * MiB / PageSize, host.Frames.CountOf(second.Owner));
    }

    private sealed class World : IDisposable
    {
        private readonly byte[] _model = new byte[Pages * (int)PageSize];
        private readonly List<(ulong Device, ulong Guest, int Length, DmaDirection Direction)> _mappings = [];
        private readonly List<PhysicalAddress> _taken = [];
        private readonly DmaDevice _device = new();

        public World(HardwareProfile profile)
        {
            Host = new(new() { MemoryBytes = 24 * MiB, VmmBytes = 16 * MiB, Profile = profile });
            Host.Pci.Add(_device, 3);
            Host.Boot();
            Machine = Host.CreateMachine("vm", GuestBytes);
            Assert.True(Run(Host, () => Assignment.Assign(Machine, new(0, 4, 0))).IsDone);
            Machine.Pci.WriteConfiguration(new(0, 4, 0), PciOffset.Command, 2, (uint)PciCommand.BusMaster);
        }

        public Host Host { get; }

        public VirtualMachine Machine { get; }

        private Assignment Assignment => Host.AssignmentOf(_device.Source);

        public async Task Take(What what, ulong page, int length, Random random)
        {
            int address = (int)(page * PageSize) + random.Next((int)PageSize);
            length = Math.Min(length, _model.Length - address);
            GuestPhysicalAddress at = new(page * PageSize);
            switch (what)
            {
                case What.Load:
                    Load(address, length);
                    break;
                case What.Store:
                    Store(address, length, random);
                    break;
                case What.Map:
                    await Map(page, length, random);
                    break;
                case What.Unmap when _mappings.Count != 0:
                    await Unmap(random.Next(_mappings.Count));
                    break;
                case What.DeviceRead or What.DeviceWrite when _mappings.Count != 0:
                    Transfer(_mappings[random.Next(_mappings.Count)], what == What.DeviceWrite, random);
                    break;
                case What.Move:
                    AssertLeft(page, await Machine.Mover.Move(at));
                    break;
                case What.MoveTo:
                    AssertLeft(page, await Machine.Mover.Move(at, new((16 * MiB) + ((ulong)random.Next(2048) * PageSize))), PageRefusal.NoFrame);
                    break;
                case What.SwapOut:
                    AssertLeft(page, await Machine.Mover.SwapOut(at));
                    break;
                case What.TakeFrames:
                    while (Host.Frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page4K, out PhysicalAddress frame))
                        _taken.Add(frame);
                    break;
                case What.GiveFrames:
                    GiveFrames();
                    break;
                case What.MoveAndStore or What.SwapAndStore:
                    await Overlap(what == What.MoveAndStore ? Machine.Mover.Move(at) : Machine.Mover.SwapOut(at), () => Store(address, length, random));
                    break;
                case What.SwapAndLoad:
                    await Overlap(Machine.Mover.SwapOut(at), () => Load(address, length));
                    break;
                case What.MoveAndMap:
                    Task<PageRefusal> move = Machine.Mover.Move(at).AsTask();
                    await Map(page, length, random);
                    _ = await move;
                    break;
                default:
                    break;
            }
        }

        public async Task Map(ulong page, int length, Random random)
        {
            DmaDirection direction = (DmaDirection)random.Next(1, 4);
            ulong guest = (page * PageSize) + (ulong)random.Next(64);
            length = Math.Min(length, _model.Length - (int)guest);
            HypercallResult result = await Machine.Cpu.Call(Hypercall.MapDma, new SourceId(0, 4, 0).Value, guest, (ulong)length, (ulong)direction);
            Assert.Contains(result.Refusal, _taken.Count == 0 ? (DmaRefusal[])[DmaRefusal.None] : [DmaRefusal.None, DmaRefusal.Exhausted]);
            if (result.Refusal == DmaRefusal.None)
                _mappings.Add((result.Value, guest, length, direction));
        }

        public async Task TakeBack() => Assert.True((await Assignment.TakeBack()).IsDone);

        public async Task UnmapAll()
        {
            while (_mappings.Count != 0)
                await Unmap(0);
        }

        // I2: behind every device address is the frame that the guest has there, pinned, and the guest's.
        public void AssertMappedIsPinned()
        {
            foreach ((ulong device, ulong guest, int length, _) in _mappings)
            {
                for (ulong at = guest & ~(PageSize - 1); at < guest + (ulong)length; at += PageSize)
                {
                    Assert.True(Assignment.Domain!.TryFind(new((device & ~(PageSize - 1)) + at - (guest & ~(PageSize - 1))), out RemappingLeaf leaf));
                    PhysicalAddress frame = Machine.Memory.Tables.Walk(new(at), EptRights.ReadWrite).Address;
                    Assert.Equal(frame.Value, leaf.Target.Value);
                    Assert.Equal(Machine.Owner, Host.Frames.OwnerOf(frame));
                    Assert.True(Host.Frames.PinsOf(frame) > 0);
                }
            }
        }

        public async Task End()
        {
            await UnmapAll();
            GiveFrames();
            Assert.Equal(0ul, Host.Frames.Pins);
            Assert.Equal(0ul, Machine.PinnedPages);
            byte[] all = new byte[_model.Length];
            Assert.True(Machine.Cpu.TryRead(new(0), all));
            Assert.True(all.AsSpan().SequenceEqual(_model));
            ulong vmm = Host.Frames.CountOf(FrameOwner.Vmm);
            await Host.Destroy(Machine);
            Assert.Equal(0ul, Host.Frames.CountOf(Machine.Owner));
            Assert.True(Host.Frames.CountOf(FrameOwner.Vmm) < vmm);
            Assert.Equal(16 * MiB / PageSize, Host.Frames.CountOf(FrameOwner.Vmm));
            Assert.Equal(0ul, Host.Faults.Total);
        }

        public void Dispose() => Host.Dispose();

        private static async Task Overlap(ValueTask<PageRefusal> way, Action meanwhile)
        {
            Task<PageRefusal> task = way.AsTask();
            meanwhile();
            _ = await task;
        }

        private void GiveFrames()
        {
            foreach (PhysicalAddress frame in _taken)
                Host.Frames.Free(FrameOwner.Vmm, frame, FrameSize.Page4K);
            _taken.Clear();
        }

        private void AssertLeft(ulong page, PageRefusal refusal, params PageRefusal[] others)
        {
            bool isPinned = _mappings.Any(mapping => mapping.Guest / PageSize <= page && page <= (mapping.Guest + (ulong)mapping.Length - 1) / PageSize);
            if (isPinned)
                Assert.Equal(PageRefusal.Pinned, refusal);
            else
                Assert.Contains(refusal, (PageRefusal[])[PageRefusal.None, PageRefusal.NotResident, .. _taken.Count == 0 ? others : [PageRefusal.NoFrame]]);
        }

        private void Load(int address, int length)
        {
            byte[] bytes = new byte[length];
            Assert.True(Machine.Cpu.TryRead(new((ulong)address), bytes));
            Assert.True(bytes.AsSpan().SequenceEqual(_model.AsSpan(address, length)));
        }

        private void Store(int address, int length, Random random)
        {
            random.NextBytes(_model.AsSpan(address, length));
            Assert.True(Machine.Cpu.TryWrite(new((ulong)address), _model.AsSpan(address, length)));
        }

        private void Transfer((ulong Device, ulong Guest, int Length, DmaDirection Direction) mapping, bool write, Random random)
        {
            byte[] bytes = new byte[mapping.Length];
            random.NextBytes(bytes);
            DmaDirection needed = write ? DmaDirection.FromDevice : DmaDirection.ToDevice;
            if ((mapping.Direction & needed) == 0)
                return;
            Span<byte> there = _model.AsSpan((int)mapping.Guest, mapping.Length);
            Assert.Equal(DmaStatus.Success, write ? _device.Write(mapping.Device, bytes) : _device.Read(mapping.Device, bytes));
            if (write)
                bytes.CopyTo(there);
            Assert.True(there.SequenceEqual(bytes));
        }

        private async Task Unmap(int index)
        {
            (ulong device, _, int length, _) = _mappings[index];
            HypercallResult result = await Machine.Cpu.Call(Hypercall.UnmapDma, new SourceId(0, 4, 0).Value, device, (ulong)length);
            Assert.Equal(DmaRefusal.None, result.Refusal);
            _mappings.RemoveAt(index);
        }
    }
}
