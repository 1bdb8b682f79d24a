using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;
using FsCheck.Fluent;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>What was written is found, whoever wrote it; and with dirty bits nothing else is.</summary>
public sealed class DirtyLogTests
{
    private const ulong PageSize = 4096;
    private const int Pages = 64;

    private enum What
    {
        Store,
        Load,
        Map,
        Unmap,
        DeviceWrite,
        DeviceRead,
        Move,
        SwapOut,
        Harvest,
    }

    public static TheoryData<string, bool> Units => new()
    {
        { "friendly-scalable", true }, { "hostile-scalable", true }, { "friendly", false }, { "minimal", false },
    };

    [Theory]
    [MemberData(nameof(Units))]
    public void A_harvest_is_what_was_written_since_the_last_one(string profile, bool byBits) => Property.Check(
        Generate.Program(
            from what in Gen.Elements(Enum.GetValues<What>())
            from page in Gen.Choose(0, Pages - 1)
            from number in Gen.Choose(0, int.MaxValue - 1)
            select (what, page, number), 80),
        program =>
        {
            using World world = new(profile, byBits);
            world.Host.Loop.Run(async () =>
            {
                DirtyLog log = await DirtyLog.Start(world.Machine);
                Assert.Equal((byBits ? 1 : 0, byBits ? 0 : 1), (log.DomainsByBits, log.DomainsByMapping));
                foreach ((What what, int page, int number) in program)
                {
                    if (what == What.Harvest)
                        world.Check(await log.Harvest());
                    else
                        await world.Take(what, (ulong)page, new(number));
                }

                world.Check(await log.Harvest());
                Assert.Null(await Record.ExceptionAsync(async () => await log.Stop()));
                Assert.Null(world.Machine.Memory.DirtyLog);
            });
        },
        12);

    [Fact]
    public void Reading_what_a_page_holds_before_the_unit_has_forgotten_it_loses_a_write()
    {
        using World world = new("friendly-scalable", byBits: true);
        world.Host.Loop.Run(async () =>
        {
            DirtyLog log = await DirtyLog.Start(world.Machine);
            await world.Take(What.Map, 5, new(1));
            RemappingDomain domain = world.Assignment.Domain!;

            // In the wrong order: clear, read, and then invalidate. The unit still knows the page as dirty.
            byte[] copy = new byte[PageSize];
            HashSet<ulong> frames = [];
            world.DeviceWrite(0, 1);
            await domain.HarvestWritesDeferred(frames);
            _ = Assert.Single(frames);
            world.Machine.Memory.Peek(new(5 * PageSize), copy);
            world.DeviceWrite(0, 2);
            await domain.Flush();
            frames.Clear();
            await domain.HarvestWrites(frames);
            Assert.Empty(frames);
            Assert.NotEqual(copy[0], (byte)world.Machine.Cpu.Load(new(5 * PageSize), 1));

            // In the right order: clear, invalidate, and then read.
            world.DeviceWrite(0, 3);
            await domain.HarvestWrites(frames);
            world.Machine.Memory.Peek(new(5 * PageSize), copy);
            world.DeviceWrite(0, 4);
            frames.Clear();
            await domain.HarvestWrites(frames);
            _ = Assert.Single(frames);
            await log.Stop();
        });
    }

    [Fact]
    public void A_device_that_comes_and_goes_between_two_harvests_leaves_what_it_wrote()
    {
        foreach ((string profile, bool byBits) in (ReadOnlySpan<(string, bool)>)[("friendly-scalable", true), ("friendly", false)])
        {
            using World world = new(profile, byBits);
            world.Host.Loop.Run(async () =>
            {
                Assert.True((await world.Assignment.TakeBack()).IsDone);
                DirtyLog log = await DirtyLog.Start(world.Machine);
                await world.Assign();
                await world.Take(What.Map, 7, new(1));
                world.DeviceWrite(0, 9);
                Assert.True((await world.Assignment.TakeBack()).IsDone);
                Assert.Equal([7ul], await log.Harvest());
                Assert.Empty(await log.Harvest());
                await log.Stop();
            });
        }
    }

    [Fact]
    public void Two_cannot_log_one_VM_at_a_time()
    {
        using World world = new("friendly-scalable", byBits: true);
        world.Host.Loop.Run(async () =>
        {
            DirtyLog log = await DirtyLog.Start(world.Machine);
            _ = await Assert.ThrowsAsync<InvalidOperationException>(async () => await DirtyLog.Start(world.Machine));
            await log.Stop();
            await (await DirtyLog.Start(world.Machine)).Stop();
        });
    }

    private sealed class World : IDisposable
    {
        private readonly DmaDevice _device = new();
        private readonly bool _byBits;
        private readonly List<(ulong Device, ulong Page, DmaDirection Direction)> _mappings = [];
        private readonly SortedSet<ulong> _written = [];
        private readonly SortedSet<ulong> _perhaps = [];

        public World(string profile, bool byBits)
        {
            _byBits = byBits;
            Host = new(new() { MemoryBytes = 32 * MiB, VmmBytes = 16 * MiB, Profile = HardwareProfile.Named(profile), Scalable = byBits });
            Host.Pci.Add(_device, 3);
            Host.Boot();
            Machine = Host.CreateMachine("vm", 4 * MiB);
            Host.Loop.Run(Assign);
        }

        public Host Host { get; }

        public VirtualMachine Machine { get; }

        public Assignment Assignment => Host.AssignmentOf(_device.Source);

        public async Task Assign()
        {
            Assert.True((await Assignment.Assign(Machine, new(0, 4, 0))).IsDone);
            Machine.Pci.WriteConfiguration(new(0, 4, 0), PciOffset.Command, 2, (uint)PciCommand.BusMaster);
        }

        public async Task Take(What what, ulong page, Random random)
        {
            GuestPhysicalAddress at = new(page * PageSize);
            switch (what)
            {
                case What.Store:
                    Machine.Cpu.Store(at + (ulong)random.Next(4095), 2, 0x5A5A);
                    _ = _written.Add(page);
                    break;
                case What.Load:
                    _ = Machine.Cpu.Load(at, 8);
                    break;
                case What.Map:
                    DmaDirection direction = (DmaDirection)random.Next(2, 4);
                    HypercallResult result = await Machine.Cpu.Call(Hypercall.MapDma, new SourceId(0, 4, 0).Value, at.Value, PageSize, (ulong)direction);
                    Assert.Equal(DmaRefusal.None, result.Refusal);
                    _mappings.Add((result.Value, page, direction));
                    _ = _byBits ? false : _perhaps.Add(page);
                    break;
                case What.Unmap when _mappings.Count != 0:
                    int index = random.Next(_mappings.Count);
                    Assert.Equal(DmaRefusal.None, (await Machine.Cpu.Call(Hypercall.UnmapDma, new SourceId(0, 4, 0).Value, _mappings[index].Device, PageSize)).Refusal);
                    _mappings.RemoveAt(index);
                    break;
                case What.DeviceWrite when _mappings.Count != 0:
                    DeviceWrite(random.Next(_mappings.Count), (byte)random.Next());
                    break;
                case What.DeviceRead when _mappings.Count != 0:
                    (ulong device, _, DmaDirection allowed) = _mappings[random.Next(_mappings.Count)];
                    if (allowed == DmaDirection.Bidirectional)
                        Assert.Equal(DmaStatus.Success, _device.Read(device, new byte[8]));
                    break;
                case What.Move or What.SwapOut:
                    PageRefusal refusal = what == What.Move ? await Machine.Mover.Move(at) : await Machine.Mover.SwapOut(at);
                    _ = refusal == PageRefusal.None && _perhaps.Add(page);
                    break;
                default:
                    break;
            }
        }

        public void DeviceWrite(int mapping, byte value)
        {
            Assert.Equal(DmaStatus.Success, _device.Write(_mappings[mapping].Device, [value]));
            _ = _written.Add(_mappings[mapping].Page);
        }

        /// <summary>All that was written is in it, and besides that only what the VMM put elsewhere, or without dirty bits what could be written.</summary>
        public void Check(SortedSet<ulong> found)
        {
            Assert.Subset(found, _written);
            _written.UnionWith(_perhaps);
            Assert.Subset(_written, found);
            if (!_byBits)
                Assert.Subset(found, _mappings.Select(mapping => mapping.Page).ToHashSet());
            _written.Clear();
            _perhaps.Clear();
            if (!_byBits)
                _perhaps.UnionWith(_mappings.Select(mapping => mapping.Page));
        }

        public void Dispose() => Host.Dispose();
    }
}
