using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random drivers at the DMA API, beside lists of what each has and mapped.</summary>
public sealed class DmaSpaceModelTests
{
    private const int PageSize = 4096;

    // Small enough that some of the drivers ask for more than there is.
    private const ulong MemoryLength = 24 << 20;

    private static readonly SourceId s_device = new(0, 4, 0);

    public enum Kind
    {
        Identity,
        Paravirtual,
        Remapped,
    }

    private enum What
    {
        Allocate,
        Free,
        AllocateCoherent,
        FreeCoherent,
        Map,
        ScatterGather,
        Unmap,
        Misuse,
    }

    [Theory]
    [InlineData(Kind.Identity)]
    [InlineData(Kind.Paravirtual)]
    [InlineData(Kind.Remapped)]
    public void Whatever_a_driver_does_mappings_stay_apart_and_everything_comes_back(Kind kind) =>
        Property.Check(Steps().ToPrograms(), program => new Run(kind).Execute(program), 60);

    [Theory]
    [InlineData(Kind.Identity)]
    [InlineData(Kind.Paravirtual)]
    [InlineData(Kind.Remapped)]
    public void A_driver_that_asks_for_more_memory_than_there_is_loses_nothing_that_it_has(Kind kind)
    {
        Step large = new(What.Allocate, 6 << 20, DmaDirection.FromDevice, 1);
        Step coherent = large with { What = What.AllocateCoherent };
        Step map = large with { What = What.Map };
        new Run(kind).Execute([large, coherent, large, map, coherent, large, coherent, large with { What = What.Free }, map]);
    }

    private static Gen<Step> Steps() =>
        from what in Gen.Frequency(
            (4, Gen.Constant(What.Allocate)), (2, Gen.Constant(What.Free)), (2, Gen.Constant(What.AllocateCoherent)), (1, Gen.Constant(What.FreeCoherent)),
            (6, Gen.Constant(What.Map)), (3, Gen.Constant(What.ScatterGather)), (5, Gen.Constant(What.Unmap)), (2, Gen.Constant(What.Misuse)))
        from length in Gen.Frequency((4, Gen.Choose(1, 600)), (3, Gen.Choose(4000, 13_000)), (1, Gen.Choose(1 << 21, 3 << 21)))
        from direction in Gen.Elements(DmaDirection.ToDevice, DmaDirection.FromDevice, DmaDirection.Bidirectional)
        from number in Gen.Choose(0, 1_000_000)
        select new Step(what, length, direction, number);

    private readonly record struct Step(What What, int Length, DmaDirection Direction, int Number);

    private readonly record struct Live(DmaMapping Mapping, GuestPhysicalAddress Memory);

    private sealed class Run(Kind kind)
    {
        private readonly List<MemoryBuffer> _buffers = [];
        private readonly List<CoherentBuffer> _coherent = [];
        private readonly List<Live> _live = [];
        private readonly FrameAllocator _frames = new(new(16 << 20), MemoryLength);

        public void Execute(Step[] program)
        {
            using BareMetal machine = new(kind == Kind.Remapped ? HardwareProfile.Named("hostile") : null, memory: 256 << 20);
            machine.Loop.Run(() => Execute(machine, program));
        }

        private async Task Execute(BareMetal machine, Step[] program)
        {
            (DmaSpace space, IDmaPort port) = await Open(machine);
            ulong free = _frames.FramesFree;
            foreach (Step step in program)
            {
                await Take(space, step);
                Assert.Equal(_live.Count + _coherent.Count, space.MappingsLive);
                CheckApart();
            }

            foreach (Live live in _live)
                CheckReach(machine, port, live);
            foreach (Live live in _live)
                Assert.Equal(DmaRefusal.None, await space.Unmap(live.Mapping));
            foreach (CoherentBuffer coherent in _coherent)
                Assert.Equal(DmaRefusal.None, await space.FreeCoherent(coherent));
            foreach (MemoryBuffer buffer in _buffers)
                Assert.Equal(DmaRefusal.None, space.Free(buffer));
            Assert.Equal(free, _frames.FramesFree);
            if (kind == Kind.Remapped && _live.Count != 0)
                Assert.Equal(DmaStatus.Blocked, port.Read(_live[0].Mapping.DeviceAddress, new byte[1]));
        }

        private async Task<(DmaSpace Space, IDmaPort Port)> Open(BareMetal machine)
        {
            if (kind == Kind.Identity)
                return (new IdentityDmaSpace(machine.Cpu, _frames), new DirectFabric(machine.Memory, machine.Interrupts).Open(s_device));
            if (kind == Kind.Paravirtual)
            {
                FakeVmm vmm = new(s_device);
                return (new ParavirtualDmaSpace(machine.Cpu, _frames, vmm, s_device), vmm.Open(machine.Memory));
            }

            // Tables come from frames of their own, so that the books of the driver's memory are exact.
            RemappingDriver driver = await RemappingDriver.Start(
                machine.Cpu, new(BareMetal.UnitAddress), new(new(128 << 20), 8 << 20), new(FaultVector: 48) { HostAddressWidth = machine.Unit!.Profile.HostAddressWidth });
            RemappingDomain domain = driver.CreateDomain();
            Assert.Equal(DmaRefusal.None, await driver.Attach(s_device, domain));
            return (new RemappedDmaSpace(machine.Cpu, _frames, domain, new(new(0x4000_0000), 1 << 30)), machine.Unit.Open(s_device));
        }

        private async Task Take(DmaSpace space, Step step)
        {
            switch (step.What)
            {
                case What.Allocate:
                    if (HasRoom(step.Length))
                        _buffers.Add(space.Allocate(step.Length));
                    else
                        Assert.Throws<InvalidOperationException>(() => space.Allocate(step.Length));
                    break;
                case What.Free when _buffers.Count != 0:
                    MemoryBuffer buffer = _buffers[step.Number % _buffers.Count];
                    bool isMapped = _live.Exists(live => Overlap(PageOf(live.Memory.Value), live.Memory.Value + (ulong)live.Mapping.Length, buffer.Address.Value, buffer.Address.Value + (ulong)buffer.Length));
                    Assert.Equal(isMapped ? DmaRefusal.StillMapped : DmaRefusal.None, space.Free(buffer));
                    if (!isMapped)
                        _buffers.Remove(buffer);
                    break;
                case What.AllocateCoherent:
                    if (HasRoom(step.Length))
                        _coherent.Add(await space.AllocateCoherent(step.Length));
                    else
                        await Assert.ThrowsAsync<InvalidOperationException>(async () => await space.AllocateCoherent(step.Length));
                    break;
                case What.FreeCoherent when _coherent.Count != 0:
                    CoherentBuffer coherent = _coherent[step.Number % _coherent.Count];
                    Assert.Equal(DmaRefusal.NotAllocated, space.Free(coherent.Memory));
                    Assert.Equal(DmaRefusal.None, await space.FreeCoherent(coherent));
                    Assert.Equal(DmaRefusal.NotAllocated, await space.FreeCoherent(coherent));
                    _coherent.Remove(coherent);
                    break;
                case What.Map when _buffers.Count != 0:
                    BufferSegment piece = PieceOf(_buffers[step.Number % _buffers.Count], step.Number);
                    DmaMapResult result = await space.Map(new(null!, piece.Address, piece.Length), step.Direction);
                    Assert.True(result.IsMapped);
                    Assert.Equal((piece.Length, step.Direction), (result.Mapping.Length, result.Mapping.Direction));
                    Assert.Equal(piece.Address.PageOffset, result.Mapping.DeviceAddress.PageOffset);
                    _live.Add(new(result.Mapping, piece.Address));
                    break;
                case What.ScatterGather when _buffers.Count != 0:
                    await MapSeveral(space, step);
                    break;
                case What.Unmap when _live.Count != 0:
                    Live gone = _live[step.Number % _live.Count];
                    _live.RemoveAt(step.Number % _live.Count);
                    Assert.Equal(DmaRefusal.None, await space.Unmap(gone.Mapping));
                    if (!_live.Exists(live => live.Mapping == gone.Mapping))
                        Assert.Equal(DmaRefusal.NotMapped, await space.Unmap(gone.Mapping));
                    break;
                case What.Misuse:
                    await Misuse(space, step);
                    break;
                default:
                    break;
            }
        }

        private async Task MapSeveral(DmaSpace space, Step step)
        {
            List<BufferSegment> segments = [];
            for (int index = 0; index <= step.Number % 4; index++)
            {
                BufferSegment piece = PieceOf(_buffers[(step.Number + index) % _buffers.Count], step.Number + index);

                // Cut in two, which must come back as one.
                if (piece.Length > 1)
                {
                    segments.Add(piece with { Length = piece.Length / 2 });
                    piece = new(piece.Address + (ulong)(piece.Length / 2), piece.Length - (piece.Length / 2));
                }

                segments.Add(piece);
            }

            ScatterGatherResult result = await space.MapScatterGather(segments, step.Direction);
            Assert.Equal(DmaRefusal.None, result.Refusal);
            Assert.Equal(segments.Sum(segment => segment.Length), result.Mappings.Sum(mapping => mapping.Length));
            Assert.True(result.Mappings.Count <= (step.Number % 4) + 1);
            int next = 0;
            foreach (DmaMapping mapping in result.Mappings)
            {
                _live.Add(new(mapping, segments[next].Address));
                for (int covered = 0; covered < mapping.Length; next++)
                {
                    Assert.Equal(segments[next].Address, _live[^1].Memory + (ulong)covered);
                    covered += segments[next].Length;
                }
            }
        }

        private async Task Misuse(DmaSpace space, Step step)
        {
            MemoryBuffer none = new(null!, new((256 << 20) - 5), 6);
            Assert.Equal(DmaRefusal.BadRange, (await space.Map(none, step.Direction)).Refusal);
            Assert.Equal(DmaRefusal.BadRange, (await space.Map(new(null!, new(ulong.MaxValue), 2), step.Direction)).Refusal);
            Assert.Equal(DmaRefusal.BadRange, (await space.Map(new(null!, new(0), 0), step.Direction)).Refusal);
            Assert.Equal(DmaRefusal.NotAllocated, space.Free(none));
            if (_buffers.Count == 0)
                return;
            MemoryBuffer buffer = _buffers[step.Number % _buffers.Count];
            Assert.Equal(DmaRefusal.BadDirection, (await space.Map(buffer, DmaDirection.None)).Refusal);
            Assert.Equal(DmaRefusal.BadDirection, (await space.Map(buffer, (DmaDirection)4)).Refusal);
            Assert.Equal(DmaRefusal.NotAllocated, space.Free(new(null!, buffer.Address, buffer.Length + 1)));
            if (_coherent.Count == 0)
                return;
            CoherentBuffer coherent = _coherent[step.Number % _coherent.Count];
            if (_live.Count != 0 && kind != Kind.Identity)
                Assert.Equal(DmaRefusal.NotMapped, await space.FreeCoherent(coherent with { Mapping = _live[0].Mapping }));
            DmaMapResult again = await space.Map(coherent.Memory, DmaDirection.ToDevice);
            Assert.Equal(DmaRefusal.StillMapped, await space.FreeCoherent(coherent));
            Assert.Equal(DmaRefusal.None, await space.Unmap(again.Mapping));
        }

        // Whether a gap between what is allocated is long enough.
        private bool HasRoom(int length)
        {
            ulong pages = PageOf((ulong)length + PageSize - 1);
            ulong end = _frames.Start.Value;
            foreach (MemoryBuffer buffer in _buffers.Concat(_coherent.Select(coherent => coherent.Memory)).OrderBy(buffer => buffer.Address))
            {
                if (buffer.Address.Value - end >= pages)
                    return true;
                end = PageOf(buffer.Address.Value + (ulong)buffer.Length + PageSize - 1);
            }

            return _frames.Start.Value + MemoryLength - end >= pages;
        }

        // Where the device has addresses of its own, no two mappings share a page of them.
        private void CheckApart()
        {
            if (kind == Kind.Identity)
                return;
            IEnumerable<DmaMapping> all = _live.Select(live => live.Mapping).Concat(_coherent.Select(coherent => coherent.Mapping));
            ulong end = 0;
            foreach (DmaMapping mapping in all.OrderBy(mapping => mapping.DeviceAddress))
            {
                Assert.True(PageOf(mapping.DeviceAddress.Value) >= end);
                end = PageOf(mapping.DeviceAddress.Value + (ulong)mapping.Length - 1) + PageSize;
            }
        }

        // First and last byte are where the driver thinks they are.
        private static void CheckReach(BareMetal machine, IDmaPort port, Live live)
        {
            foreach (ulong offset in (ulong[])[0, (ulong)live.Mapping.Length - 1])
            {
                PhysicalAddress memory = new(live.Memory.Value + offset);
                byte[] seen = new byte[1];
                Assert.True(machine.Memory.TryWrite(memory, new byte[] { 0x5A }));
                if (live.Mapping.Direction.HasFlag(DmaDirection.ToDevice))
                {
                    Assert.Equal(DmaStatus.Success, port.Read(live.Mapping.DeviceAddress + offset, seen));
                    Assert.Equal(0x5A, seen[0]);
                }

                if (!live.Mapping.Direction.HasFlag(DmaDirection.FromDevice))
                    continue;
                Assert.Equal(DmaStatus.Success, port.Write(live.Mapping.DeviceAddress + offset, new byte[] { 0xC3 }));
                Assert.True(machine.Memory.TryRead(memory, seen));
                Assert.Equal(0xC3, seen[0]);
            }
        }

        private static BufferSegment PieceOf(MemoryBuffer buffer, int number)
        {
            int first = number % buffer.Length;
            return new(buffer.Address + (ulong)first, 1 + (number / 3 % (buffer.Length - first)));
        }

        private static bool Overlap(ulong first, ulong end, ulong otherFirst, ulong otherEnd) =>
            first < PageOf(otherEnd + PageSize - 1) && otherFirst < PageOf(end + PageSize - 1);

        private static ulong PageOf(ulong address) => address & ~(ulong)(PageSize - 1);
    }
}
