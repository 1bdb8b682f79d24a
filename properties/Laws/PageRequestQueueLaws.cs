using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The page request queue: head, tail, overflow, event (reference sheet, sections 8.2 and 8.3).</summary>
public sealed class PageRequestQueueLaws
{
    private static readonly Pasid s_pasid = new(0x12345);

    private enum What
    {
        Ask,
        AskMore,
        StopMarker,
        Consume,
        ClearPending,
        ClearOverflow,
        Mask,
        Unmask,
    }

    [Fact]
    public void A_request_is_in_memory_with_all_that_the_device_said()
    {
        using PageRequestWorld world = new();
        world.World.Port.RequestPage(new(new(0xFFFF_8000_1234_5678), 0x155, true, true, false, new() { Pasid = s_pasid, Execute = true, Privileged = true }));
        Assert.Equal(
            new PageRequestDescriptor
            {
                Type = 1,
                PasidPresent = true,
                Requester = RemappingWorld.Device,
                Pasid = s_pasid,
                Execute = true,
                Privileged = true,
                Read = true,
                LastInGroup = true,
                Group = 0x155,
                Address = new(0xFFFF_8000_1234_5000),
            },
            world.At(0));
        Assert.Equal((32ul, 0ul, new PageRequestStatus { Pending = true }), (world.Tail, world.Head, world.Status));
        Assert.Empty(world.Responses);
    }

    [Fact]
    public void The_ring_goes_round()
    {
        using PageRequestWorld world = new();
        for (int at = 0; at < 300; at++)
        {
            world.Ask((ulong)at << 12, pasid: s_pasid);
            Assert.Equal(new Iova((ulong)at << 12), world.At(world.Head).Address);
            world.Head = world.Tail;
            Assert.Equal((ulong)((at + 1) % 128 * 32), world.Tail);
        }

        Assert.Empty(world.Responses);
    }

    [Fact]
    public void A_full_queue_answers_last_requests_itself_until_software_clears_the_overflow()
    {
        using PageRequestWorld world = new();
        for (int at = 0; at < PageRequestWorld.Capacity; at++)
            world.Ask((ulong)at << 12, at, pasid: s_pasid);
        Assert.Empty(world.Responses);
        Assert.Equal(new PageRequestStatus { Pending = true }, world.Status);
        Bits256 last = world.At(world.Tail).Raw;

        // One that does not end its group is lost without a word, and so is a stop marker.
        world.Ask(0x7000, 200, isLast: false);
        Assert.Equal(new PageRequestStatus { Pending = true, Overflow = true }, world.Status);
        world.World.Port.RequestPage(new(default, 201, true, false, false, new() { Pasid = s_pasid }));
        Assert.Empty(world.Responses);
        world.Ask(0x8000, 202, pasid: s_pasid);
        Assert.Equal([new(202, s_pasid, PageResponseCode.Success)], world.Responses);

        // Room alone does not help.
        world.Head = world.Tail;
        world.Ask(0x9000, 203);
        Assert.Equal(2, world.Responses.Count);
        Assert.Equal(last, world.At(world.Tail).Raw);
        world.Status = new() { Overflow = true };
        world.Ask(0xA000, 204);
        Assert.Equal(2, world.Responses.Count);
        Assert.Equal(new Iova(0xA000), world.At(world.Head).Address);
        Assert.Empty(world.World.Faults);
    }

    [Fact]
    public void An_event_comes_with_the_first_request_and_not_again_before_software_has_cleared_it()
    {
        using PageRequestWorld world = new();
        world.Unmask();
        world.Ask(0x1000);
        world.Ask(0x2000);
        Assert.Equal([new(InterruptRange.First, 0x41)], world.World.Messages);

        // Cleared before the tail is read: a request that comes in between is an event of its own.
        world.Status = new() { Pending = true };
        world.Ask(0x3000);
        Assert.Equal(2, world.World.Messages.Count);
    }

    [Fact]
    public void An_event_waits_for_its_mask_and_is_withdrawn_when_software_was_faster()
    {
        using PageRequestWorld world = new();
        world.World.Write(RegisterOffsets.PageRequestEventAddress, InterruptRange.First, 4);
        world.Ask(0x1000);
        Assert.Equal(new EventControl { Mask = true, Pending = true }, world.Event);
        world.Status = new() { Pending = true };
        Assert.Equal(new EventControl { Mask = true }, world.Event);
        world.Ask(0x2000);
        world.Event = default;
        Assert.Single(world.World.Messages);
        Assert.Equal(default, world.Event);
    }

    [Fact]
    public void An_overflow_alone_is_an_event()
    {
        using PageRequestWorld world = new();
        world.Unmask();
        for (int at = 0; at < PageRequestWorld.Capacity; at++)
            world.Ask(0x1000);
        world.Status = new() { Pending = true };
        world.Ask(0x2000, isLast: false);
        Assert.Equal(2, world.World.Messages.Count);
        Assert.Equal(new PageRequestStatus { Overflow = true }, world.Status);
    }

    [Fact]
    public void A_page_request_drops_what_is_cached_for_its_page()
    {
        // A unit that never looks twice: what it once found read-only it would refuse for ever.
        HardwareProfile profile = HardwareProfile.Named("friendly-scalable") with { RewalksBeforeRefusal = false };
        using RemappingWorld world = new(profile);
        using ScalableWorld tables = new(profile);
        PhysicalAddress frame = tables.World.Frame();
        PasidTableEntry entry = tables.Entry(PasidTranslationType.FirstStage);
        tables.PutPasid(s_pasid, entry);
        PhysicalAddress leaf = tables.MapFirst(entry, 0x5000, 0x200_0000 | 5);

        // The same tables under a unit with caches.
        RemappingUnit unit = new(tables.Memory, tables.World, profile);
        unit.Write(RegisterOffsets.RootTableAddress, 8, new RootTableAddress { Table = new(RemappingWorld.RootTable), Mode = TranslationTableMode.Scalable }.Raw.Value);
        unit.Write(RegisterOffsets.PageRequestQueueAddress, 8, frame.Value);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { SetRootTablePointer = true }.Raw.Value);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { TranslationEnable = true }.Raw.Value);
        tables.Context = tables.Context with { PageRequestsEnabled = true };
        RemappedPort port = unit.Open(RemappingWorld.Device);
        DmaAttributes attributes = new() { Pasid = s_pasid };
        Assert.True(port.TryTranslate(new(0x5000), false, attributes, out _));
        tables.Put(leaf, 0x200_0000ul | 7);
        Assert.False(port.TryTranslate(new(0x5000), true, attributes, out _));
        port.RequestPage(new(new(0x5000), 0, true, true, true, attributes));
        Assert.True(port.TryTranslate(new(0x5000), true, attributes, out PhysicalAddress target));
        Assert.Equal(new PhysicalAddress(0x200_0000), target);
    }

    [Fact]
    public void A_queue_is_what_a_list_with_two_bits_is() => Property.Check(
        (from what in Gen.Frequency(
            (6, Gen.Constant(What.Ask)), (3, Gen.Constant(What.AskMore)), (1, Gen.Constant(What.StopMarker)), (4, Gen.Constant(What.Consume)),
            (2, Gen.Constant(What.ClearPending)), (2, Gen.Constant(What.ClearOverflow)), (1, Gen.Constant(What.Mask)), (1, Gen.Constant(What.Unmask)))
         from amount in Gen.Choose(1, 60)
         select (what, amount)).ArrayOf().Resize(60),
        program =>
        {
            using PageRequestWorld world = new();
            Model model = new();
            int number = 0;
            foreach ((What what, int amount) in program)
            {
                switch (what)
                {
                    case What.Ask or What.AskMore or What.StopMarker:
                        for (int at = 0; at < amount; at++, number++)
                        {
                            bool isLast = what != What.AskMore, wants = what != What.StopMarker;
                            world.World.Port.RequestPage(new(new((ulong)number << 12), number & 0x1FF, isLast, wants, false, new() { Pasid = s_pasid }));
                            model.Ask((ulong)number << 12, number & 0x1FF, isLast && wants);
                        }

                        break;
                    case What.Consume:
                        for (int at = 0; at < amount && world.Head != world.Tail; at++)
                        {
                            Assert.Equal(new Iova(model.Queue.Dequeue()), world.At(world.Head).Address);
                            world.Head = (world.Head + 32) % 4096;
                        }

                        break;
                    case What.ClearPending:
                        world.Status = new() { Pending = true };
                        model.Clear(new() { Pending = true });
                        break;
                    case What.ClearOverflow:
                        world.Status = new() { Overflow = true };
                        model.Clear(new() { Overflow = true });
                        break;
                    default:
                        world.World.Write(RegisterOffsets.PageRequestEventAddress, InterruptRange.First, 4);
                        world.Event = new() { Mask = what == What.Mask };
                        model.SetMask(what == What.Mask);
                        break;
                }

                Assert.Equal(model.Status, world.Status);
                Assert.Equal(model.Event, world.Event);
                Assert.Equal(model.Events, world.World.Messages.Count);
                Assert.Equal(model.Answered, world.Responses.Select(response => response.Group));
                Assert.Equal(model.Queue.Count, (int)((world.Tail - world.Head) % 4096 / 32));
            }
        },
        150);

    // The queue as the sheet tells it, without a ring.
    private sealed class Model
    {
        public Queue<ulong> Queue { get; } = [];

        public PageRequestStatus Status { get; private set; }

        public EventControl Event { get; private set; } = new() { Mask = true };

        public int Events { get; private set; }

        public List<int> Answered { get; } = [];

        public void Ask(ulong address, int group, bool isAnswered)
        {
            bool isFull = Queue.Count == PageRequestWorld.Capacity;
            bool isLost = Status.Overflow || isFull;
            if (!isLost)
                Queue.Enqueue(address);
            if (isLost && isAnswered)
                Answered.Add(group);
            if (Status.Overflow)
                return;
            bool isNew = Status == default;
            Status = isFull ? Status with { Overflow = true } : Status with { Pending = true };
            if (isNew)
                Event = Event with { Pending = true };
            Send();
        }

        public void Clear(PageRequestStatus bits)
        {
            Status = new(new(Status.Raw.Value & ~bits.Raw.Value));
            if (Status == default)
                Event = Event with { Pending = false };
        }

        public void SetMask(bool mask)
        {
            Event = Event with { Mask = mask };
            Send();
        }

        private void Send()
        {
            if (!Event.Pending || Event.Mask)
                return;
            Events++;
            Event = Event with { Pending = false };
        }
    }
}
