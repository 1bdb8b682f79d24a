using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What a device reaches under each policy, beside a list of what was mapped and when it was taken back.</summary>
public sealed class MappingPolicyTests
{
    private const ulong WindowNs = 50_000;
    private const int WaitingMax = 6;
    private const int Pages = 24;

    private enum What
    {
        Map,
        Unmap,
        Wait,
        Flush,
        Reassign,
    }

    [Theory]
    [InlineData(MappingPolicy.Strict)]
    [InlineData(MappingPolicy.Deferred)]
    [InlineData(MappingPolicy.Optimistic)]
    [InlineData(MappingPolicy.Bounce)]
    [InlineData(MappingPolicy.Static)]
    public void A_device_reaches_what_is_mapped_and_no_more_than_the_policy_says(MappingPolicy policy) =>
        Property.Check(Steps().ToPrograms(), program => new Run(policy).Execute(program), 40);

    [Theory]
    [InlineData(MappingPolicy.Strict)]
    [InlineData(MappingPolicy.Deferred)]
    [InlineData(MappingPolicy.Optimistic)]
    [InlineData(MappingPolicy.Bounce)]
    [InlineData(MappingPolicy.Static)]
    [InlineData(MappingPolicy.Untranslated)]
    public void The_same_drivers_read_the_same_bytes_under_each_policy(MappingPolicy policy)
    {
        byte[] content = new byte[300 * 512];
        new Random(5).NextBytes(content);
        foreach (bool isXhci in (bool[])[false, true])
        {
            using DirectDmaComputer computer = new("friendly", content, isXhci: isXhci, allowsUntranslated: true);
            MappingOptions options = Options(policy);
            computer.Guest.Mapping = options;
            Assert.Equal(content, computer.Host.Loop.Run(async () => await DiskReader.ReadAll((await computer.Open(options)).Device)));
            computer.Host.Loop.Run(async () => Assert.Equal(AssignmentResult.Done, await computer.Assignment.TakeBack()));
            Assert.Equal((0ul, 0ul), (computer.Host.Frames.Pins, computer.Guest.PinnedPages));
        }
    }

    [Fact]
    public void A_guest_alone_brings_no_mapping_about()
    {
        using DirectDmaComputer computer = new("friendly", content: null);
        computer.Host.Loop.Run(async () =>
        {
            (_, IDmaSpace dma) = await computer.Open(MappingOptions.Strict);
            MemoryBuffer buffer = dma.Allocate(4096);
            RemappedPort port = computer.Host.Unit.Open(computer.Assignment.Source);

            // The address of its memory, the address of the frame behind it, and an address like those that the VMM gives.
            ulong frame = computer.Guest.Memory.Tables.Walk(buffer.Address, EptRights.Read).Address.Value;
            foreach (ulong address in (ulong[])[buffer.Address.Value, frame, DmaMappings.WindowStart + 0x10_0000])
                Assert.Equal(DmaStatus.Blocked, port.Read(new(address), new byte[4]));
            Assert.Equal(DmaRefusal.NotAssigned, (await computer.Other.Cpu.Call(Hypercall.MapDma, 0x10, 0, 4096, 3)).Refusal);
        });
    }

    [Fact]
    public void The_VMM_alone_lets_a_driver_do_no_DMA()
    {
        using DirectDmaComputer computer = new("friendly", content: null);
        computer.Host.Loop.Run(async () =>
        {
            _ = await computer.Open(MappingOptions.Strict);
            RemappedPort port = computer.Host.Unit.Open(computer.Assignment.Source);
            for (ulong page = 0; page < computer.Guest.Memory.Bytes / 4096; page++)
                Assert.Equal(DmaStatus.Blocked, port.Read(new(page * 4096), new byte[4]));
            Assert.Equal((0, 0ul), (computer.Assignment.Mappings!.Count, computer.Host.Frames.Pins));
        });
    }

    [Fact]
    public void A_device_without_translation_goes_to_a_VM_only_where_the_host_allows_it()
    {
        using DirectDmaComputer refusing = new("friendly", content: null);
        refusing.Guest.Mapping = Options(MappingPolicy.Untranslated);
        AssignmentResult result = refusing.Host.Loop.Run(async () => await refusing.Assignment.Assign(refusing.Guest, new(0, 2, 0)));
        Assert.Equal((AssignmentRefusal.Untranslated, AssignmentState.Host), (result.Refusal, refusing.Assignment.State));

        using DirectDmaComputer allowing = new("friendly", content: null, allowsUntranslated: true);
        allowing.Guest.Mapping = Options(MappingPolicy.Untranslated);
        allowing.Host.Loop.Run(async () =>
        {
            _ = await allowing.Open(Options(MappingPolicy.Untranslated));

            // That is what it means: memory of the other VM.
            ulong other = allowing.Other.Memory.Tables.Walk(new(0x1000), EptRights.Read).Address.Value;
            Assert.Equal(DmaStatus.Success, allowing.Host.Unit.Open(allowing.Assignment.Source).Write(new(other), new byte[4]));
        });
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Unmaps_that_wait_hold_their_pins_until_the_flush_or_the_end(bool isDestroyed)
    {
        using DirectDmaComputer computer = new("friendly", content: null);
        MappingOptions options = Options(MappingPolicy.Deferred);
        computer.Guest.Mapping = options;
        computer.Host.Loop.Run(async () =>
        {
            (_, IDmaSpace dma) = await computer.Open(options);
            DmaMapResult mapped = await dma.Map(dma.Allocate(8192), DmaDirection.Bidirectional);
            Assert.Equal(DmaRefusal.None, await dma.Unmap(mapped.Mapping));
            Assert.Equal((1, 2ul), (computer.Assignment.Mappings!.WaitingCount, computer.Host.Frames.Pins));
            if (isDestroyed)
                await computer.Host.Destroy(computer.Guest);
            else
                await ((ParavirtualDmaSpace)dma).Flush();
            Assert.Equal(0ul, computer.Host.Frames.Pins);
            await computer.Host.Cpu.Processor.Delay(4 * WindowNs);
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void Deferred_unmaps_cost_one_invalidation_for_all_also_where_their_tables_become_empty(int pages)
    {
        using DirectDmaComputer computer = new("friendly", content: null);
        MappingOptions options = Options(MappingPolicy.Deferred) with { WaitingMax = 1000, WaitingNsMax = 1_000_000_000 };
        computer.Guest.Mapping = options;
        computer.Host.Loop.Run(async () =>
        {
            (_, IDmaSpace dma) = await computer.Open(options);
            MemoryBuffer buffer = dma.Allocate(pages * 4096);
            int tables = computer.Host.Remapping.FramesInUse;
            ulong invalidations = computer.Host.Remapping.Invalidations;
            for (int time = 0; time < 900; time++)
            {
                DmaMapResult mapped = await dma.Map(buffer, DmaDirection.Bidirectional);
                Assert.Equal(DmaStatus.Success, computer.Host.Unit.Open(computer.Assignment.Source).Write(mapped.Mapping.DeviceAddress, [1]));
                Assert.Equal(DmaRefusal.None, await dma.Unmap(mapped.Mapping));
            }

            Assert.Equal((900, invalidations), (computer.Assignment.Mappings!.WaitingCount, computer.Host.Remapping.Invalidations));
            await ((ParavirtualDmaSpace)dma).Flush();
            Assert.Equal((0, invalidations + 1), (computer.Assignment.Mappings.WaitingCount, computer.Host.Remapping.Invalidations));
            Assert.Equal(tables, computer.Host.Remapping.FramesInUse);
        });
    }

    private static MappingOptions Options(MappingPolicy policy) =>
        new() { Policy = policy, WaitingMax = WaitingMax, WaitingNsMax = WindowNs, PoolBytes = 2 << 20 };

    private static Gen<(What What, int Page, int Length, DmaDirection Direction)> Steps() =>
        from what in Gen.Frequency(
            (6, Gen.Constant(What.Map)), (5, Gen.Constant(What.Unmap)), (2, Gen.Constant(What.Wait)), (1, Gen.Constant(What.Flush)), (1, Gen.Constant(What.Reassign)))
        from page in Gen.Choose(0, Pages - 3)
        from length in Gen.Choose(1, 9000)
        from direction in Gen.Elements(DmaDirection.ToDevice, DmaDirection.FromDevice, DmaDirection.Bidirectional)
        select (what, page, length, direction);

    /// <param name="Mapping">The mapping.</param>
    /// <param name="Memory">The memory that was mapped.</param>
    /// <param name="EndNs">When its unmap returned.</param>
    private readonly record struct Known(DmaMapping Mapping, GuestPhysicalAddress Memory, ulong EndNs);

    private sealed class Run(MappingPolicy policy)
    {
        private readonly List<Known> _live = [];
        private readonly List<Known> _ended = [];

        public void Execute((What What, int Page, int Length, DmaDirection Direction)[] program)
        {
            using DirectDmaComputer computer = new("hostile", content: null);
            MappingOptions options = Options(policy);
            computer.Guest.Mapping = options;
            computer.Host.Loop.Run(async () =>
            {
                (_, IDmaSpace dma) = await computer.Open(options);
                MemoryBuffer memory = dma.Allocate(Pages * 4096);
                foreach ((What what, int page, int length, DmaDirection direction) in program)
                {
                    if (what == What.Reassign)
                    {
                        await Reassign(computer, dma);
                        (_, dma) = await computer.Open(options);
                        memory = dma.Allocate(Pages * 4096);
                    }
                    else
                    {
                        await Take(computer, dma, memory, what, (page * 4096) + (length % 4096 & ~3), length, direction);
                    }

                    Check(computer);
                }

                await Reassign(computer, dma);
            });
        }

        private async Task Take(DirectDmaComputer computer, IDmaSpace dma, MemoryBuffer memory, What what, int offset, int length, DmaDirection direction)
        {
            switch (what)
            {
                case What.Map:
                    MemoryBuffer buffer = memory.Slice(offset, length);
                    DmaMapResult result = await dma.Map(buffer, direction);
                    Assert.Equal(DmaRefusal.None, result.Refusal);
                    _live.Add(new(result.Mapping, buffer.Address, 0));

                    // The same address again is a new mapping: under these policies the old one cannot be told from it.
                    _ = _ended.RemoveAll(ended => ended.Mapping.DeviceAddress.Page <= result.Mapping.DeviceAddress.Page + 4
                        && result.Mapping.DeviceAddress.Page <= ended.Mapping.DeviceAddress.Page + 4);
                    break;
                case What.Unmap when _live.Count != 0:
                    Known known = _live[offset % _live.Count];
                    _ = _live.Remove(known);
                    Assert.Equal(DmaRefusal.None, await dma.Unmap(known.Mapping));
                    if (!_live.Exists(live => live.Mapping == known.Mapping))
                        _ended.Add(known with { EndNs = computer.Host.Loop.NowNs });
                    break;
                case What.Wait:
                    await computer.Guest.Cpu.Processor.Delay(WindowNs * (ulong)(length % 3) / 2);
                    break;
                case What.Flush when policy is MappingPolicy.Strict or MappingPolicy.Deferred:
                    await ((ParavirtualDmaSpace)dma).Flush();
                    _ = _ended.RemoveAll(ended => Reaches(computer, ended, write: false) is DmaStatus.Blocked);
                    Assert.Empty(_ended);
                    break;
            }
        }

        private async Task Reassign(DirectDmaComputer computer, IDmaSpace dma)
        {
            // A driver that lets go of its device leaves nothing mapped for later.
            if (dma is ReusingDmaSpace reusing)
                await reusing.Drain();
            Assert.Equal(AssignmentResult.Done, await computer.Assignment.TakeBack());
            Assert.Equal((0ul, 0ul), (computer.Host.Frames.Pins, computer.Guest.PinnedPages));
            foreach (Known known in _live.Concat(_ended))
                Assert.Equal(DmaStatus.Blocked, Reaches(computer, known, write: false));
            _live.Clear();
            _ended.Clear();
        }

        private void Check(DirectDmaComputer computer)
        {
            foreach (Known live in _live)
            {
                bool isExact = policy is MappingPolicy.Strict or MappingPolicy.Deferred;
                bool mayRead = (live.Mapping.Direction & DmaDirection.ToDevice) != 0, mayWrite = (live.Mapping.Direction & DmaDirection.FromDevice) != 0;
                Assert.True(!mayRead || Reaches(computer, live, write: false) == DmaStatus.Success);
                Assert.True(!mayWrite || Reaches(computer, live, write: true) == DmaStatus.Success);
                if (isExact)
                {
                    Assert.Equal(mayRead, Reaches(computer, live, write: false) == DmaStatus.Success);
                    CheckPlace(computer, live);
                }
            }

            foreach (Known ended in _ended)
            {
                bool isOpen = policy switch
                {
                    MappingPolicy.Strict => false,
                    MappingPolicy.Deferred or MappingPolicy.Optimistic => computer.Host.Loop.NowNs <= ended.EndNs + (2 * WindowNs),
                    _ => true,
                };
                bool isReached = Reaches(computer, ended, (ended.Mapping.Direction & DmaDirection.ToDevice) == 0) == DmaStatus.Success;
                Assert.True(isOpen || !isReached, $"{ended} is reached at {computer.Host.Loop.NowNs}.");

                // What can be reached belongs to the guest as long as it can.
                if (isReached && policy != MappingPolicy.Bounce)
                    Assert.True(computer.Host.Frames.PinsOf(computer.Guest.Memory.Tables.Walk(ended.Memory, EptRights.Read).Address) > 0);
            }
        }

        // Each mapping leads to the memory that was mapped: what the processor writes, the device reads.
        private static void CheckPlace(DirectDmaComputer computer, Known live)
        {
            if ((live.Mapping.Direction & DmaDirection.ToDevice) == 0)
                return;
            byte[] written = BitConverter.GetBytes(0x5EED_0000 ^ (int)live.Memory.Value), read = new byte[4];
            int length = Math.Min(4, live.Mapping.Length);
            Assert.True(computer.Guest.Cpu.TryWrite(live.Memory, written.AsSpan(0, length)));
            Assert.Equal(DmaStatus.Success, computer.Host.Unit.Open(computer.Assignment.Source).Read(live.Mapping.DeviceAddress, read.AsSpan(0, length)));
            Assert.Equal(written.AsSpan(0, length), read.AsSpan(0, length));
        }

        private static DmaStatus Reaches(DirectDmaComputer computer, Known known, bool write)
        {
            RemappedPort port = computer.Host.Unit.Open(computer.Assignment.Source);
            byte[] bytes = new byte[1];
            if (!write)
                return port.Read(known.Mapping.DeviceAddress, bytes);

            // What it writes was there before.
            _ = computer.Guest.Cpu.TryRead(known.Memory, bytes);
            return port.Write(known.Mapping.DeviceAddress, bytes);
        }
    }
}
