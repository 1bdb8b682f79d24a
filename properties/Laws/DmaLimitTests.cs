using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What a device forms and takes: segments keep to it, whatever the list is, and buffers out of reach bounce.</summary>
public sealed class DmaLimitTests
{
    private static readonly SourceId s_device = new(0, 4, 0);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Segments_hold_every_byte_in_order_and_keep_to_the_limits(bool isRemapped) => Property.Check(
        from pieces in Gen.ArrayOf(from page in Gen.Choose(0, 60) from offset in Gen.Elements(0, 0, 100, 4000) from length in Gen.Elements(1, 96, 4096, 8192, 20_000) select (page, offset, length))
        from boundary in Gen.Elements(0ul, 4096ul, 65_536ul)
        from bytes in Gen.Elements(4096, 16_384, int.MaxValue)
        select (pieces, limits: new DmaLimits(64, boundary, bytes, int.MaxValue)),
        list =>
        {
            if (list.pieces.Length == 0)
                return;
            using BareMetal machine = new(isRemapped ? HardwareProfile.Named("friendly") : null, memory: 256 << 20);
            machine.Loop.Run(async () =>
            {
                (IDmaSpace dma, IDmaPort port) = await Open(machine, isRemapped);
                dma.Limits = list.limits;
                MemoryBuffer memory = Filled(dma, 66 * 4096);
                BufferSegment[] segments = [.. list.pieces.Select(piece => new BufferSegment(memory.Address + (ulong)((piece.page * 4096) + piece.offset), piece.length))];
                ScatterGatherResult result = await dma.MapScatterGather(segments, DmaDirection.ToDevice);
                Assert.Equal(DmaRefusal.None, result.Refusal);
                byte[] wanted = [.. segments.SelectMany(segment => Read(memory, segment))];
                Assert.Equal(wanted, result.Mappings.SelectMany(mapping => Read(port, mapping)));
                Assert.All(result.Mappings, mapping => Assert.True(list.limits.Takes(mapping.DeviceAddress, (ulong)mapping.Length)));
                foreach (DmaMapping mapping in result.Mappings)
                    Assert.Equal(DmaRefusal.None, await dma.Unmap(mapping));
            });
        },
        count: 40);

    [Fact]
    public void Pages_that_lie_apart_become_one_segment_where_addresses_are_translated()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"), memory: 256 << 20);
        machine.Loop.Run(async () =>
        {
            (IDmaSpace dma, _) = await Open(machine, isRemapped: true);
            MemoryBuffer memory = dma.Allocate(10 * 4096);
            ScatterGatherResult result = await dma.MapScatterGather(
                [new(memory.Address + 100, 3996), new(memory.Address + (5 * 4096), 4096), new(memory.Address + (2 * 4096), 50)], DmaDirection.FromDevice);
            Assert.Equal(3996 + 4096 + 50, Assert.Single(result.Mappings).Length);
            Assert.Equal(DmaRefusal.StillMapped, dma.Free(memory));
            Assert.Equal(DmaRefusal.None, await dma.Unmap(result.Mappings[0]));
            Assert.Equal(DmaRefusal.None, dma.Free(memory));
        });
    }

    [Fact]
    public void A_list_that_needs_more_segments_than_the_device_takes_is_refused_as_a_whole()
    {
        using BareMetal machine = new(profile: null);
        machine.Loop.Run(async () =>
        {
            IdentityDmaSpace dma = new(machine.Cpu, machine.Frames) { Limits = DmaLimits.None with { SegmentsMax = 2 } };
            MemoryBuffer memory = dma.Allocate(6 * 4096);
            BufferSegment[] pieces = [.. Enumerable.Range(0, 3).Select(index => new BufferSegment(memory.Address + (ulong)(index * 8192), 100))];
            Assert.Equal(DmaRefusal.Unreachable, (await dma.MapScatterGather(pieces, DmaDirection.ToDevice)).Refusal);
            Assert.Equal(0, dma.MappingsLive);
            Assert.Equal(2, (await dma.MapScatterGather(pieces[..2], DmaDirection.ToDevice)).Mappings.Count);
        });
    }

    [Fact]
    public void What_a_device_cannot_form_is_refused_or_bounces()
    {
        using BareMetal machine = new(profile: null, memory: 256 << 20);
        machine.Loop.Run(async () =>
        {
            // Memory below and above 16 MiB, and a device with 24 address bits.
            FrameAllocator frames = new(new(8 << 20), 16 << 20);
            IdentityDmaSpace identity = new(machine.Cpu, frames) { Limits = DmaLimits.None with { AddressBits = 24 } };
            BounceDmaSpace dma = new(identity, machine.Cpu, new() { PoolBytes = 64 << 10 }, onlyWhereNeeded: true);
            MemoryBuffer low = dma.Allocate(4096);
            DmaMapResult direct = await dma.Map(low, DmaDirection.ToDevice);
            Assert.Equal(low.Address.Value, direct.Mapping.DeviceAddress.Value);

            // The pool comes from what the device reaches; then the rest of that is taken.
            Assert.True(await dma.Open());
            MemoryBuffer high = Filled(dma, 8192, skip: 8 << 20);
            Assert.True(high.Address.Value >= 16 << 20);
            Assert.Equal(DmaRefusal.Unreachable, (await identity.Map(high, DmaDirection.Bidirectional)).Refusal);
            DmaMapResult bounced = await dma.Map(high, DmaDirection.Bidirectional);
            Assert.True(bounced.IsMapped && bounced.Mapping.DeviceAddress.Value + 8192 <= 16 << 20);

            IDmaPort port = new DirectFabric(machine.Memory, machine.Interrupts).Open(s_device);
            Assert.Equal(Read(high, new(high.Address, 8192)), Read(port, bounced.Mapping));
            Assert.Equal(DmaStatus.Success, port.Write(bounced.Mapping.DeviceAddress + 4096, new byte[] { 1, 2, 3, 4 }));
            uint before = high.Read32(4096);
            Assert.NotEqual(0x0403_0201u, before);
            Assert.Equal(DmaRefusal.None, dma.SyncForCpu(bounced.Mapping, 4096, 4));
            Assert.Equal(0x0403_0201u, high.Read32(4096));
            high.Write32(0, 77);
            Assert.Equal(DmaRefusal.None, dma.SyncForDevice(bounced.Mapping, 0, 4));
            Assert.Equal(77u, BitConverter.ToUInt32(Read(port, bounced.Mapping)));
            Assert.Equal(DmaRefusal.StillMapped, dma.Free(high));
            Assert.Equal(DmaRefusal.None, await dma.Unmap(bounced.Mapping));
            Assert.Equal(DmaRefusal.None, dma.Free(high));
        });
    }

    private static async Task<(IDmaSpace Dma, IDmaPort Port)> Open(BareMetal machine, bool isRemapped)
    {
        FrameAllocator frames = new(new(16 << 20), 24 << 20);
        if (!isRemapped)
            return (new IdentityDmaSpace(machine.Cpu, frames), new DirectFabric(machine.Memory, machine.Interrupts).Open(s_device));
        RemappingDriver driver = await RemappingDriver.Start(
            machine.Cpu, new(BareMetal.UnitAddress), new(new(128 << 20), 8 << 20), new(FaultVector: 48) { HostAddressWidth = machine.Unit!.Profile.HostAddressWidth });
        RemappingDomain domain = driver.CreateDomain();
        Assert.Equal(DmaRefusal.None, await driver.Attach(s_device, domain));
        return (new RemappedDmaSpace(machine.Cpu, frames, domain, new(new(0x4000_0000), 1 << 30)), machine.Unit.Open(s_device));
    }

    private static MemoryBuffer Filled(IDmaSpace dma, int length, int skip = 0)
    {
        if (skip != 0)
            _ = dma.Allocate(skip);
        MemoryBuffer memory = dma.Allocate(length);
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        memory.Write(0, bytes);
        return memory;
    }

    private static byte[] Read(MemoryBuffer memory, BufferSegment segment)
    {
        byte[] bytes = new byte[segment.Length];
        memory.Read((int)(segment.Address.Value - memory.Address.Value), bytes);
        return bytes;
    }

    private static byte[] Read(IDmaPort port, DmaMapping mapping)
    {
        byte[] bytes = new byte[mapping.Length];
        Assert.Equal(DmaStatus.Success, port.Read(mapping.DeviceAddress, bytes));
        return bytes;
    }
}
