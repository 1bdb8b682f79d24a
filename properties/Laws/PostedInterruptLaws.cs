using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Posted interrupts beside a model of request bits and notifications, and beside software that collects at any moment.</summary>
public sealed class PostedInterruptLaws
{
    private const byte Notification = 0xF2;
    private const byte Processor = 9;

    private enum Step
    {
        Post,
        PostUrgent,
        ClearOutstanding,
        Collect,
        Suppress,
        Allow,
    }

    private static Arbitrary<(Step Step, byte Vector)[]> Programs => Generate.Program(
        from step in Gen.Elements(Step.Post, Step.Post, Step.Post, Step.PostUrgent, Step.ClearOutstanding, Step.Collect, Step.Suppress, Step.Allow)
        from vector in Gen.OneOf(Gen.Choose(0, 255), Gen.Elements(0, 63, 64, 127, 128, 255))
        select (step, (byte)vector),
        stepsMax: 60);

    [Fact]
    public void A_processor_is_told_when_it_is_due_and_of_nothing_twice() =>
        Property.Check(
            Programs,
            program =>
            {
                using InterruptWorld world = Posting(out int[] handles);
                Model model = new();
                foreach ((Step step, byte vector) in program)
                {
                    Assert.Equal(DmaStatus.Success, Take(world, handles, model, step, vector));
                    PostedInterruptDescriptor found = world.Descriptor(0);
                    Assert.Equal(model.Requests.Order(), Bits(found));
                    Assert.Equal((model.Outstanding, model.Suppressed), (found.OutstandingNotification, found.SuppressNotification));
                    Assert.Equal((Notification, (uint)Processor << 8), (found.NotificationVector, found.NotificationDestination));
                    Assert.Equal(Enumerable.Repeat(new MessageInterrupt(0xFEE0_0000 | (Processor << 12), 0x4000 | Notification), model.Notifications), world.Messages);
                }
            },
            count: 400);

    [Fact]
    public void No_interrupt_is_lost_however_software_that_collects_and_the_unit_take_turns() =>
        Property.Check(
            Programs,
            program =>
            {
                // Software clears ON, then collects; a step of the unit may come before, between and after.
                using InterruptWorld world = Posting(out int[] handles);
                Model model = new();
                HashSet<int> posted = [], collected = [];
                foreach ((Step step, byte vector) in program)
                {
                    if (step is Step.Post or Step.PostUrgent)
                        posted.Add(vector);
                    if (step == Step.Collect)
                        collected.UnionWith(model.Requests);
                    _ = Take(world, handles, model, step, vector);

                    // Who waits for a notification alone gets everything: what is not collected is under way, or held back by SN.
                    bool pending = Bits(world.Descriptor(0)).Any();
                    if (step is Step.Post && pending && !model.Suppressed)
                        Assert.True(world.Descriptor(0).OutstandingNotification);
                }

                collected.UnionWith(Bits(world.Descriptor(0)));
                Assert.Equal(posted.Order(), collected.Order());
            },
            count: 400);

    [Fact]
    public void The_request_is_in_memory_before_the_notification_goes_out()
    {
        using PhysicalMemory memory = new(InterruptWorld.MemoryBytes);
        Onlooker sink = new(memory);
        RemappingUnit unit = new(memory, sink, HardwareProfile.Named("friendly"));
        Assert.True(memory.TryWrite(new(InterruptWorld.Table), InterruptWorld.Posted(0x81, 0).Raw));
        Assert.True(memory.TryWrite(new(InterruptWorld.Descriptors), Fresh.Raw));
        unit.Write(RegisterOffsets.InterruptTableAddress, 8, InterruptWorld.Table);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { SetInterruptRemapTablePointer = true }.Raw.Value);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { InterruptRemappingEnable = true }.Raw.Value);
        Assert.Equal(DmaStatus.Success, unit.Open(InterruptWorld.Device).Write(new(0xFEE0_0010), new byte[4]));
        Assert.Equal([(0x81, true)], sink.Seen);
    }

    [Theory]
    [InlineData(false, 0x0000_0000_FEE5_6000ul)]
    [InlineData(true, 0x0012_3400_FEE7_8000ul)]
    public void A_notification_goes_where_the_mode_of_the_table_says(bool extended, ulong address)
    {
        using InterruptWorld world = new("friendly", extended: extended);
        world.PutDescriptor(0, Fresh with { NotificationDestination = extended ? 0x0012_3478u : 0x5600 });
        world.Put(5, InterruptWorld.Posted(0x81, 0).Raw);
        Assert.Equal(DmaStatus.Success, world.Send(5));
        Assert.Equal(new(address, 0x4000 | Notification), world.TakeMessage());
    }

    [Fact]
    public void Another_processor_that_collects_at_the_same_time_misses_nothing()
    {
        // Memory may be shared with another process: here with another thread, which is told by ON alone.
        int posts = Property.Cases(20_000);
        using InterruptWorld world = Posting(out int[] handles);
        long[] seen = new long[256];
        bool isOver = false;
        Thread collector = new(() =>
        {
            bool last;
            do
            {
                last = Volatile.Read(ref isOver);
                if (Exchange(world.Memory, 4, word => word & ~1ul) % 2 == 0)
                    continue;
                for (int word = 0; word < 4; word++)
                {
                    ulong requests = Exchange(world.Memory, word, _ => 0);
                    for (; requests != 0; requests &= requests - 1)
                        seen[(word * 64) + System.Numerics.BitOperations.TrailingZeroCount(requests)]++;
                }
            }
            while (!last);
        });
        collector.Start();
        long[] posted = new long[256];
        Random random = new((int)Property.Seed);
        for (int post = 0; post < posts; post++)
        {
            byte vector = (byte)random.Next(256);
            posted[vector]++;
            Assert.Equal(DmaStatus.Success, world.Send(handles[0], subhandle: vector));
        }

        Volatile.Write(ref isOver, true);
        collector.Join();
        Assert.Empty(Bits(world.Descriptor(0)));
        for (int vector = 0; vector < 256; vector++)
            Assert.InRange(seen[vector], Math.Min(1, posted[vector]), posted[vector]);
    }

    private static PostedInterruptDescriptor Fresh => new() { NotificationVector = Notification, NotificationDestination = (uint)Processor << 8 };

    // Entries for all vectors, not urgent from the first handle on, urgent from the second.
    private static InterruptWorld Posting(out int[] handles)
    {
        InterruptWorld world = new("friendly");
        world.PutDescriptor(0, Fresh);
        handles = [0x100, 0x300];
        for (int vector = 0; vector < 256; vector++)
        {
            world.Put(handles[0] + vector, InterruptWorld.Posted((byte)vector, 0).Raw);
            world.Put(handles[1] + vector, InterruptWorld.Posted((byte)vector, 0, urgent: true).Raw);
        }

        return world;
    }

    private static DmaStatus Take(InterruptWorld world, int[] handles, Model model, Step step, byte vector)
    {
        PostedInterruptDescriptor before = world.Descriptor(0);
        switch (step)
        {
            case Step.Post:
            case Step.PostUrgent:
                bool urgent = step == Step.PostUrgent;
                model.Post(vector, urgent);
                return world.Send(handles[urgent ? 1 : 0], subhandle: vector);
            case Step.ClearOutstanding:
                model.Outstanding = false;
                world.PutDescriptor(0, before with { OutstandingNotification = false });
                break;
            case Step.Collect:
                model.Requests.Clear();
                world.PutDescriptor(0, before with { Requests = default });
                break;
            default:
                model.Suppressed = step == Step.Suppress;
                world.PutDescriptor(0, before with { SuppressNotification = model.Suppressed });
                break;
        }

        return DmaStatus.Success;
    }

    private static IEnumerable<int> Bits(PostedInterruptDescriptor descriptor) =>
        Enumerable.Range(0, 256).Where(descriptor.Raw.Bit);

    private static ulong Exchange(PhysicalMemory memory, int word, Func<ulong, ulong> change)
    {
        PhysicalAddress at = new(InterruptWorld.Descriptors + ((ulong)word * 8));
        Assert.True(memory.TryRead(at, out ulong found));
        for (; ; )
        {
            ulong expected = found;
            Assert.True(memory.TryCompareExchange(at, expected, change(expected), out found));
            if (found == expected)
                return found;
        }
    }

    private sealed class Model
    {
        public SortedSet<int> Requests { get; } = [];

        public bool Outstanding { get; set; }

        public bool Suppressed { get; set; }

        public int Notifications { get; private set; }

        public void Post(byte vector, bool urgent)
        {
            Requests.Add(vector);
            if (Outstanding || (Suppressed && !urgent))
                return;
            Outstanding = true;
            Notifications++;
        }
    }

    /// <summary>A processor that looks into the descriptor the moment it is told.</summary>
    private sealed class Onlooker(PhysicalMemory memory) : IInterruptSink
    {
        public List<(int Vector, bool Outstanding)> Seen { get; } = [];

        public void Deliver(MessageInterrupt message)
        {
            Assert.True(memory.TryRead(new PhysicalAddress(InterruptWorld.Descriptors), out Bits512 raw));
            PostedInterruptDescriptor descriptor = new(raw);
            Seen.AddRange(Bits(descriptor).Select(vector => (vector, descriptor.OutstandingNotification)));
        }
    }
}
