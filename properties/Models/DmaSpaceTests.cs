using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Properties;

public sealed class DmaSpaceTests
{
    private const int PageSize = 4096;

    private static readonly SourceId s_device = new(0, 4, 0);

    [Fact]
    public async Task A_list_of_pieces_becomes_one_stretch_for_each_gap()
    {
        using BareMetal machine = new();
        DmaSpace space = new IdentityDmaSpace(machine.Cpu, machine.Frames);
        GuestPhysicalAddress start = new(0x10_0F00);
        ScatterGatherResult result = await space.MapScatterGather(
            [new(start, 0x100), new(start + 0x100, 0x2000), new(start + 0x2100, 1), new(start + 0x2102, 5), new(start, 0x100)], DmaDirection.ToDevice);
        Assert.Equal(DmaRefusal.None, result.Refusal);
        Assert.Equal(
            [new(new(0x10_0F00), 0x2101, DmaDirection.ToDevice), new(new(0x10_3002), 5, DmaDirection.ToDevice), new(new(0x10_0F00), 0x100, DmaDirection.ToDevice)],
            result.Mappings);
        Assert.Equal(3, space.MappingsLive);
    }

    [Fact]
    public void A_large_buffer_is_mapped_by_superpages_wherever_it_begins()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await RemappingDriver.Start(
                machine.Cpu, new(BareMetal.UnitAddress), machine.Frames, new(FaultVector: 48) { HostAddressWidth = machine.Unit!.Profile.HostAddressWidth });
            RemappingDomain domain = driver.CreateDomain();
            IovaAllocator addresses = new(new(0x4000_3000), 1 << 30);
            ulong free = addresses.PagesFree;
            RemappedDmaSpace space = new(machine.Cpu, machine.Frames, domain, addresses);
            DmaMapResult result = await space.Map(new(machine.Cpu, new(0x0430_1008), 5 << 20), DmaDirection.FromDevice);
            Assert.True(result.IsMapped);
            Assert.Equal(0x10_1008ul, result.Mapping.DeviceAddress.Value % (2 << 20));
            foreach ((ulong memory, ulong size) in ((ulong, ulong)[])[(0x0430_1008, 4096), (0x0440_0000, 2 << 20), (0x0470_0000, 2 << 20), (0x0480_0000, 4096)])
            {
                Assert.True(domain.TryFind(result.Mapping.DeviceAddress + (memory - 0x0430_1008), out RemappingLeaf leaf));
                Assert.Equal(new(new(memory), size, DmaDirection.FromDevice), leaf);
            }

            Assert.Equal(free - 0x501, addresses.PagesFree);
            Assert.Equal(DmaRefusal.None, await space.Unmap(result.Mapping));
            Assert.Equal(free, addresses.PagesFree);
        });
    }

    [Fact]
    public async Task A_piece_that_cannot_be_mapped_leaves_nothing_mapped()
    {
        using BareMetal machine = new(memory: 64 << 20);
        FakeVmm vmm = new(s_device);
        ParavirtualDmaSpace space = new(machine.Cpu, machine.Frames, vmm, s_device);
        ScatterGatherResult result = await space.MapScatterGather(
            [new(new(0x1000), 100), new(new(0x9000), 100), new(new((64 << 20) - 10), 11)], DmaDirection.ToDevice);
        Assert.Equal(DmaRefusal.BadRange, result.Refusal);
        Assert.Empty(result.Mappings);
        Assert.Empty(vmm.Live);
        Assert.Equal(0, space.MappingsLive);
        Assert.Equal(DmaRefusal.BadRange, (await space.MapScatterGather([], DmaDirection.ToDevice)).Refusal);
        Assert.Equal(DmaRefusal.BadRange, (await space.MapScatterGather([new(new(0), 0)], DmaDirection.ToDevice)).Refusal);
    }

    [Fact]
    public async Task What_the_vmm_refuses_is_refused_with_its_reason()
    {
        using BareMetal machine = new(memory: 64 << 20);
        FakeVmm vmm = new(s_device) { RefuseWith = DmaRefusal.Denied };
        ParavirtualDmaSpace space = new(machine.Cpu, machine.Frames, vmm, s_device);
        ulong free = machine.Frames.FramesFree;
        MemoryBuffer buffer = space.Allocate(10);
        Assert.Equal(DmaMapResult.Refused(DmaRefusal.Denied), await space.Map(buffer, DmaDirection.ToDevice));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await space.AllocateCoherent(1));
        Assert.Equal(DmaRefusal.None, space.Free(buffer));
        Assert.Equal(free, machine.Frames.FramesFree);

        vmm.RefuseWith = DmaRefusal.None;
        CoherentBuffer coherent = await space.AllocateCoherent(5000);
        vmm.RefuseWith = DmaRefusal.Denied;
        Assert.Equal(DmaRefusal.Denied, await space.FreeCoherent(coherent));
        Assert.Equal(1, space.MappingsLive);
        vmm.RefuseWith = DmaRefusal.None;
        Assert.Equal(DmaRefusal.None, await space.FreeCoherent(coherent));
        Assert.Equal(free, machine.Frames.FramesFree);
    }

    [Fact]
    public void Memory_that_runs_out_is_refused_and_what_was_given_is_zeroed()
    {
        using BareMetal machine = new();
        FrameAllocator frames = new(new(0x10_0000), 4 * PageSize);
        IdentityDmaSpace space = new(machine.Cpu, frames);
        machine.Memory.TryWrite(new(0x10_0000), new byte[] { 1, 2, 3 });
        MemoryBuffer buffer = space.Allocate((2 * PageSize) + 1);
        Assert.Equal(0u, buffer.Read32(0));
        Assert.Throws<InvalidOperationException>(() => space.Allocate(PageSize + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => space.Allocate(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => space.Allocate(1, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => space.Allocate(1, 8192));
        Assert.Equal(1ul, frames.FramesFree);
    }
}
