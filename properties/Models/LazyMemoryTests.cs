using Dma.Devices;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Memory that comes when it is touched is memory: whoever touches it, whatever has to go meanwhile.</summary>
public sealed class LazyMemoryTests
{
    private const uint ReadCommand = 1, WriteCommand = 2, FollowCommand = 3;

    private enum What
    {
        Load,
        Store,
        DeviceRead,
        DeviceWrite,
        Both,
        Pin,
        Move,
        SwapOut,
        MoveWhileWritten,
    }

    public static TheoryData<string> Units => ["friendly-scalable", "hostile-scalable"];

    [Theory]
    [MemberData(nameof(Units))]
    public void No_byte_is_lost_or_changed_however_pages_come_and_go(string profile) => Property.Check(
        from frames in Gen.Choose(LazyMemory.FramesMin, 40)
        from steps in (from what in Gen.Elements(Enum.GetValues<What>())
                       from page in Gen.Choose(0, 100)
                       from offset in Gen.Choose(0, 4095)
                       from length in Gen.Choose(1, 12_000)
                       from seed in Gen.Choose(0, int.MaxValue - 1)
                       select (what, address: ((ulong)page << 12) + (ulong)offset, length, seed)).ArrayOf(40)
        select (frames, steps),
        given =>
        {
            using LazyWorld world = new(HardwareProfile.Named(profile), given.frames);
            byte[] model = new byte[LazyWorld.GuestBytes];
            world.Host.Loop.Run(async () =>
            {
                foreach ((What what, ulong address, int length, int seed) in given.steps)
                {
                    await Take(world, model, what, address, length, seed);
                    Assert.InRange(world.Lazy.ResidentPages, 0, given.frames);
                    Assert.InRange(world.Lazy.DevicePages, 0, given.frames / 2);
                    Assert.Equal((ulong)world.Lazy.ResidentPages, world.Host.Frames.CountOf(world.Machine.Owner));
                }

                byte[] all = new byte[512 << 10];
                Assert.True(world.Machine.Cpu.TryRead(new(0), all));
                Assert.True(all.AsSpan().SequenceEqual(model.AsSpan(0, all.Length)));
                await world.Destroy();
            });
        },
        4);

    [Theory]
    [MemberData(nameof(Units))]
    public void A_process_of_a_guest_shares_its_address_space_with_a_device_while_the_host_takes_pages_away(string profile)
    {
        using LazyWorld world = new(HardwareProfile.Named(profile), LazyMemory.FramesMin);
        world.Host.Loop.Run(async () =>
        {
            bool isClosed = false;
            PagedProcess process = Process(world, _ => !isClosed);
            Pasid pasid = new(3);
            LazyDevice device = world.Assignment.Lazy!;
            Assert.Equal(DmaRefusal.BadRange, await device.Share(pasid, new(LazyWorld.GuestBytes), process));
            Assert.Equal(DmaRefusal.None, await device.Share(pasid, process.Root, process));

            // A list of 100 nodes, a page and more apart: far more than there are frames.
            for (ulong node = 0; node < 100; node++)
            {
                process.Write(Node(node), node == 99 ? 0 : Node(node + 1));
                process.Write(Node(node) + 8, node * node);
            }

            for (int round = 0; round < 3; round++)
            {
                world.Begin(FollowCommand, Node(0), 1000, pasid);
                Assert.Equal(PagingOutcome.Done, await world.End());
                Assert.Equal(328_350ul, world.Sum);
            }

            Assert.NotEqual(0ul, device.TakenBack);
            Assert.NotEqual(0ul, world.Lazy.PagedOut);

            // A page that only the device has touched so far is the process's.
            world.PutBuffer([1, 2, 3, 4, 5, 6, 7, 8]);
            world.Begin(WriteCommand, 0x1234_5670, 8, pasid);
            Assert.Equal(PagingOutcome.Done, await world.End());
            Assert.Equal(0x0807_0605_0403_0201ul, process.Read(0x1234_5670));

            // What the guest takes away and says so, the device does not reach.
            process.Remove(0x1234_5000);
            isClosed = true;
            Assert.Equal(DmaRefusal.None, await device.Invalidate(pasid, new(0x1234_5000), 4096));
            world.Begin(ReadCommand, 0x1234_5670, 8, pasid);
            Assert.Equal(PagingOutcome.InvalidRequest, await world.End());
            Assert.Equal(DmaRefusal.None, await device.Unshare(pasid));
            Assert.Equal(DmaRefusal.NotMapped, await device.Unshare(pasid));
            Assert.Equal(DmaRefusal.NotMapped, await device.Invalidate(pasid, new(0x1234_5000), 4096));
            world.Begin(ReadCommand, Node(0), 8, pasid);
            Assert.Equal(PagingOutcome.Refused, await world.End());
            await world.Destroy();
        });

        static ulong Node(ulong number) => 0x7F00_0000_0000 + (number * 0x1_3000);
    }

    [Fact]
    public void A_device_that_goes_back_in_the_middle_of_its_work_leaves_no_frame_behind()
    {
        using LazyWorld world = new(HardwareProfile.Named("friendly-scalable"), 32);
        world.Host.Loop.Run(async () =>
        {
            for (ulong delay = 0; delay < 20_000; delay += 2_500)
            {
                world.Begin(WriteCommand, 0x1000, 60_000);
                await world.Host.Cpu.Processor.Delay(delay);
                Assert.True((await world.Assignment.TakeBack()).IsDone);
                Assert.Equal(0, world.Lazy.DevicePages);
                Assert.True((await world.Assignment.Assign(world.Machine, new(0, 4, 0))).IsDone);
                world.Machine.Pci.WriteConfiguration(new(0, 4, 0), PciOffset.Command, 2, (uint)(PciCommand.BusMaster | PciCommand.MemorySpace));
            }

            world.Begin(WriteCommand, 0x1000, 60_000);
            Assert.Equal(PagingOutcome.Done, await world.End());
            await world.Destroy();
        });
    }

    [Fact]
    public void A_guest_that_does_not_answer_holds_up_nobody()
    {
        using LazyWorld world = new(HardwareProfile.Named("friendly-scalable"), LazyMemory.FramesMin);
        world.Host.Loop.Run(async () =>
        {
            Pasid pasid = new(3);
            Signal never = new(world.Host.Loop);
            GuestHandler silent = new(async () => await never.Wait());
            Assert.Equal(DmaRefusal.None, await world.Assignment.Lazy!.Share(pasid, new(0x10_0000), silent));
            for (int again = 0; again < 2; again++)
            {
                world.Begin(ReadCommand, 0x5000, 8, pasid);
                Assert.Equal(PagingOutcome.InvalidRequest, await world.End());
                world.Begin(ReadCommand, 0x5000, 8);
                Assert.Equal(PagingOutcome.Done, await world.End());
            }

            Assert.Equal(1, silent.Asked);
            await world.Destroy();
        });
    }

    [Fact]
    public void A_guest_that_ends_the_sharing_while_it_is_asked_harms_nobody()
    {
        using LazyWorld world = new(HardwareProfile.Named("friendly-scalable"), LazyMemory.FramesMin);
        world.Host.Loop.Run(async () =>
        {
            Pasid pasid = new(3);
            LazyDevice device = world.Assignment.Lazy!;
            GuestHandler ender = new(async () => Assert.Equal(DmaRefusal.None, await device.Unshare(pasid)));
            Assert.Equal(DmaRefusal.None, await device.Share(pasid, new(0x10_0000), ender));
            world.Begin(ReadCommand, 0x5000, 8, pasid);
            Assert.Equal(PagingOutcome.InvalidRequest, await world.End());
            Assert.Equal(DmaRefusal.NotMapped, await device.Unshare(pasid));
            await world.Destroy();
        });
    }

    [Fact]
    public void A_device_can_be_taken_back_while_its_guest_shares_and_ends_it()
    {
        using LazyWorld world = new(HardwareProfile.Named("friendly-scalable"), LazyMemory.FramesMin);
        world.Host.Loop.Run(async () =>
        {
            for (ulong delay = 0; delay < 6_000; delay += 250)
            {
                PagedProcess process = Process(world);
                LazyDevice device = world.Assignment.Lazy!;
                Assert.Equal(DmaRefusal.None, await device.Share(new(3), process.Root, process));
                world.Begin(ReadCommand, 0x5000, 8192, new(3));
                await world.Host.Cpu.Processor.Delay(delay);
                Task<DmaRefusal> ended = device.Unshare(new(3)).AsTask();
                Task<DmaRefusal> shared = device.Share(new(4), process.Root, process).AsTask();
                Assert.True((await world.Assignment.TakeBack()).IsDone);
                Assert.Equal(DmaRefusal.None, await ended);
                Assert.Contains(await shared, (DmaRefusal[])[DmaRefusal.None, DmaRefusal.NotAssigned]);
                Assert.Equal(DmaRefusal.NotAssigned, await device.Share(new(5), process.Root, process));
                Assert.Empty(world.Host.Remapping.Processes!.Bindings);
                Assert.True((await world.Assignment.Assign(world.Machine, new(0, 4, 0))).IsDone);
                world.Machine.Pci.WriteConfiguration(new(0, 4, 0), PciOffset.Command, 2, (uint)(PciCommand.BusMaster | PciCommand.MemorySpace));
            }

            await world.Destroy();
        });
    }

    [Fact]
    public void A_page_that_a_device_reaches_is_taken_from_it_before_it_moves_or_goes_out()
    {
        using LazyWorld world = new(HardwareProfile.Named("friendly-scalable"), 32);
        world.Host.Loop.Run(async () =>
        {
            ulong taken = 0;
            foreach (Func<ValueTask<PageRefusal>> leave in (Func<ValueTask<PageRefusal>>[])[() => world.Machine.Mover.Move(new(0x5000)), () => world.Machine.Mover.SwapOut(new(0x5000))])
            {
                world.PutBuffer([1, 2, 3, 4, 5, 6, 7, 8]);
                world.Begin(WriteCommand, 0x5000, 8);
                Assert.Equal(PagingOutcome.Done, await world.End());
                Assert.Equal(1, world.Lazy.DevicePages);
                Assert.Equal(PageRefusal.None, await leave());
                Assert.Equal(0, world.Lazy.DevicePages);
                Assert.Equal(++taken, world.Assignment.Lazy!.TakenBack);
                world.Begin(ReadCommand, 0x5000, 8);
                Assert.Equal(PagingOutcome.Done, await world.End());
                Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], world.GetBuffer(8));
            }

            await world.Destroy();
        });
    }

    [Fact]
    public void What_is_no_memory_of_the_VM_is_not_supplied()
    {
        using LazyWorld world = new(HardwareProfile.Named("friendly-scalable"), 32);
        world.Host.Loop.Run(async () =>
        {
            foreach (ulong address in (ulong[])[LazyWorld.GuestBytes, 0xFED9_0000, 1ul << 47])
            {
                world.Begin(ReadCommand, address, 8);
                Assert.Equal(PagingOutcome.InvalidRequest, await world.End());
            }

            Assert.Equal(ulong.MaxValue, world.Machine.Cpu.Load(new(LazyWorld.GuestBytes), 8));
            Assert.Equal(0, world.Lazy.ResidentPages);
            await world.Destroy();
        });
    }

    // Its page table and its pages lie upwards from 1 MiB in the guest's memory, which nobody has touched there.
    private static PagedProcess Process(LazyWorld world, Func<ulong, bool>? owns = null)
    {
        GuestPhysicalAddress next = new(0x10_0000);
        return new(world.Machine.Cpu, () =>
        {
            GuestPhysicalAddress frame = next;
            next += 4096;
            return frame;
        })
        {
            Owns = owns ?? (static _ => true),
        };
    }

    private static async Task Take(LazyWorld world, byte[] model, What what, ulong address, int length, int seed)
    {
        Memory<byte> there = model.AsMemory((int)address, length);
        byte[] bytes = new byte[length];
        switch (what)
        {
            case What.Load:
                Assert.True(world.Machine.Cpu.TryRead(new(address), bytes));
                Assert.True(there.Span.SequenceEqual(bytes));
                break;
            case What.Store:
                new Random(seed).NextBytes(there.Span);
                Assert.True(world.Machine.Cpu.TryWrite(new(address), there.Span));
                break;
            case What.DeviceRead:
                world.Begin(ReadCommand, address, (uint)length);
                Assert.Equal(PagingOutcome.Done, await world.End());
                Assert.True(there.Span.SequenceEqual(world.GetBuffer(length)));
                break;
            case What.DeviceWrite:
                new Random(seed).NextBytes(there.Span);
                world.PutBuffer(there.Span);
                world.Begin(WriteCommand, address, (uint)length);
                Assert.Equal(PagingOutcome.Done, await world.End());
                break;
            case What.Both:
                await TakeBoth(world, model, address, length, seed);
                break;
            case What.Move:
                Assert.Contains(await world.Machine.Mover.Move(new(address)), (PageRefusal[])[PageRefusal.None, PageRefusal.NotResident]);
                break;
            case What.SwapOut:
                Assert.Contains(await world.Machine.Mover.SwapOut(new(address)), (PageRefusal[])[PageRefusal.None, PageRefusal.NotResident]);
                break;
            case What.MoveWhileWritten:
                // The device writes the pages, and while it does they move: it loses them, and asks again.
                new Random(seed).NextBytes(there.Span);
                world.PutBuffer(there.Span);
                world.Begin(WriteCommand, address, (uint)length);
                for (int again = 0; again < 8; again++)
                {
                    _ = await world.Machine.Mover.Move(new(address + ((ulong)again % 3 * 4096)));
                    await world.Host.Cpu.Processor.Delay(700);
                }

                Assert.Equal(PagingOutcome.Done, await world.End());
                break;
            default:
                // Mapped for the device the other way, which pins; where that is too much it is refused.
                HypercallResult mapped = await world.Machine.Cpu.Call(Hypercall.MapDma, new SourceId(0, 4, 0).Value, address, (ulong)length, 3);
                Assert.Contains(mapped.Refusal, (DmaRefusal[])[DmaRefusal.None, DmaRefusal.Exhausted]);
                if (mapped.Refusal == DmaRefusal.None)
                    Assert.Equal(DmaRefusal.None, (await world.Machine.Cpu.Call(Hypercall.UnmapDma, new SourceId(0, 4, 0).Value, mapped.Value, (ulong)length)).Refusal);
                break;
        }
    }

    // The device writes, and while it does the processor touches pages all over the rest of memory.
    private static async Task TakeBoth(LazyWorld world, byte[] model, ulong address, int length, int seed)
    {
        Random random = new(seed);
        random.NextBytes(model.AsSpan((int)address, length));
        world.PutBuffer(model.AsSpan((int)address, length));
        world.Begin(WriteCommand, address, (uint)length);
        for (int touch = 0; touch < 40; touch++)
        {
            int at = (128 << 12) + random.Next(1 << 20);
            byte value = (byte)random.Next();
            model[at] = value;
            world.Machine.Cpu.Store(new((ulong)at), 1, value);
            await world.Host.Cpu.Processor.Delay(500);
        }

        Assert.Equal(PagingOutcome.Done, await world.End());
    }

    /// <summary>A guest's handler that has no pages, and something else in mind.</summary>
    private sealed class GuestHandler(Func<Task> answer) : IPageSupplier
    {
        public int Asked { get; private set; }

        public async ValueTask<PageResponseCode> Supply(PageRequestGroup group)
        {
            Asked++;
            await answer();
            return PageResponseCode.Success;
        }
    }
}
