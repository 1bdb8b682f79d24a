using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>MSI and MSI-X beside a model of vectors, masks and pending bits; and where the messages arrive.</summary>
public sealed class MessageInterruptLaws
{
    private const ulong TableAddress = 0xE000_0000;
    private const ulong PendingAddress = 0xE000_0800;
    private static readonly SourceId Place = new(0, 3, 0);

    private enum Step
    {
        Raise,
        Mask,
        Unmask,
        MaskAll,
        UnmaskAll,
    }

    private static Arbitrary<(Step Step, int Vector)[]> Programs(int vectors) => Generate.Program(
        from step in Gen.Frequency((5, Gen.Constant(Step.Raise)), (3, Gen.Constant(Step.Mask)), (3, Gen.Constant(Step.Unmask)), (1, Gen.Constant(Step.MaskAll)), (1, Gen.Constant(Step.UnmaskAll)))
        from vector in Gen.Choose(0, vectors - 1)
        select (step, vector),
        stepsMax: 80);

    [Fact]
    public void Msi_sends_each_vector_unless_masked_and_then_keeps_it_pending() =>
        Property.Check(Programs(32), program =>
        {
            using PciWorld world = new();
            ProbeFunction function = world.Add(new ProbeFunction().With(new MsiCapability(32)), Place.Device);
            world.Write(Place, 0x44, 4, 0xFEE0_7000);
            world.Write(Place, 0x4C, 2, 0x4F);
            world.Write(Place, 0x42, 2, 1 | (5 << 4));
            world.Command(Place, PciCommand.BusMaster);
            bool[] masked = new bool[32];
            Model model = new(masked, vector => new(0xFEE0_7000, (uint)(0x40 | vector)));
            foreach ((Step step, int vector) in program)
            {
                Apply(step, vector, masked, function, model);
                if (step != Step.Raise)
                    world.Write(Place, 0x50, 4, (uint)Bits(masked));
                model.Settle();
                Assert.Equal(model.Sent, world.Messages);
                Assert.Equal((uint)Bits(model.Pending), world.Read(Place, 0x54, 4));
            }
        });

    [Fact]
    public void Msix_sends_what_the_table_says_unless_masked_and_then_keeps_it_pending() =>
        Property.Check(Programs(40), program =>
        {
            using PciWorld world = new();
            ProbeFunction function = world.Add(
                new ProbeFunction().WithBar(0, 0x1000).With(new MsixCapability(40, 0, 0, PendingAddress - TableAddress)), Place.Device);
            world.Write(Place, PciOffset.Bar0, 4, (uint)TableAddress);
            world.Command(Place, PciCommand.BusMaster | PciCommand.MemorySpace);
            world.Write(Place, 0x42, 2, 0x8000);
            bool[] masked = [.. Enumerable.Repeat(true, 40)];
            bool maskedAll = false;
            Model model = new(masked, vector => new(0xFEE0_1000 + ((ulong)vector << 12), (uint)(0x80 + vector)));
            for (int vector = 0; vector < 40; vector++)
            {
                MessageInterrupt message = model.Message(vector);
                world.Bus.Store(new(TableAddress + (16 * (ulong)vector)), 8, message.Address | 3);
                world.Bus.Store(new(TableAddress + (16 * (ulong)vector) + 8), 4, message.Data);
            }

            foreach ((Step step, int vector) in program)
            {
                if (step is Step.MaskAll or Step.UnmaskAll)
                {
                    maskedAll = step == Step.MaskAll;
                    world.Write(Place, 0x42, 2, maskedAll ? 0xC000u : 0x8000u);
                }
                else
                {
                    Apply(step, vector, masked, function, model);
                    if (step != Step.Raise)
                        world.Bus.Store(new(TableAddress + (16 * (ulong)vector) + 12), 4, masked[vector] ? uint.MaxValue : 0);
                }

                model.Settle(maskedAll);
                Assert.Equal(model.Sent, world.Messages);
                Assert.Equal(Bits(model.Pending), world.Bus.Load(new(PendingAddress), 8));
                Assert.Equal(masked[vector] ? 1ul : 0, world.Bus.Load(new(TableAddress + (16 * (ulong)vector) + 12), 4));
            }
        });

    [Theory]
    [InlineData(0, 0x4F)]
    [InlineData(1, 0x4F)]
    [InlineData(2, 0x4F)]
    [InlineData(5, 0x4F)]
    [InlineData(7, 0x4F)]
    public void Msi_changes_only_the_bits_of_data_that_software_gave_it(int enabled, int data)
    {
        using PciWorld world = new();
        MsiCapability msi = new(8, is64Bit: false, perVectorMasking: false);
        ProbeFunction function = world.Add(new ProbeFunction().With(msi), Place.Device);
        world.Write(Place, 0x44, 4, 0xFEE0_0000);
        world.Write(Place, 0x48, 2, (uint)data);
        world.Write(Place, 0x42, 2, 1 | ((uint)enabled << 4));
        world.Command(Place, PciCommand.BusMaster);
        int given = Math.Min(8, 1 << enabled);
        Assert.Equal(given, msi.EnabledVectors);
        for (int vector = 0; vector < 8; vector++)
            function.Raise(vector);
        Assert.Equal(Enumerable.Range(0, 8).Select(vector => new MessageInterrupt(0xFEE0_0000, (uint)((data & ~(given - 1)) | (vector & (given - 1))))), world.Messages);
    }

    [Fact]
    public void A_message_with_an_upper_address_half_goes_there_and_not_to_the_interrupt_range()
    {
        using PciWorld world = new();
        ProbeFunction function = world.Add(new ProbeFunction().With(new MsiCapability()), Place.Device);
        world.Write(Place, 0x44, 4, 0x0000_2000);
        world.Write(Place, 0x4C, 2, 0xABCD);
        world.Write(Place, 0x42, 2, 1);
        world.Command(Place, PciCommand.BusMaster);

        // A hostile driver can point a message at memory: it is a write like any other.
        function.Raise(0);
        Assert.Empty(world.Messages);
        Assert.Equal(0xABCDul, world.Bus.Load(new(0x2000), 4));
        world.Write(Place, 0x48, 4, 1);
        function.Raise(0);
        Assert.Empty(world.Messages);
    }

    [Fact]
    public void A_vector_that_software_took_back_while_it_was_pending_changes_no_other_bits()
    {
        using PciWorld world = new();
        ProbeFunction function = world.Add(new ProbeFunction().With(new MsiCapability(8)), Place.Device);
        world.Write(Place, 0x44, 4, 0xFEE0_0000);
        world.Write(Place, 0x4C, 2, 0x50);
        world.Write(Place, 0x42, 2, 1 | (3 << 4));
        world.Write(Place, 0x50, 4, 0xFF);
        world.Command(Place, PciCommand.BusMaster);
        function.Raise(5);
        world.Write(Place, 0x42, 2, 1 | (1 << 4));
        world.Write(Place, 0x50, 4, 0);
        Assert.Equal([new(0xFEE0_0000, 0x51)], world.Messages);
    }

    [Fact]
    public void Off_means_that_nothing_is_sent_and_nothing_becomes_pending()
    {
        using PciWorld world = new();
        ProbeFunction function = world.Add(new ProbeFunction().With(new MsiCapability(8)), Place.Device);
        world.Command(Place, PciCommand.BusMaster);
        function.Raise(3);
        Assert.Empty(world.Messages);
        Assert.Equal(0u, world.Read(Place, 0x54, 4));
    }

    [Fact]
    public void A_reset_masks_every_vector_of_msix_and_forgets_what_is_pending()
    {
        using PciWorld world = new();
        ProbeFunction function = world.Add(new ProbeFunction().WithBar(0, 0x1000).With(new MsixCapability(4, 0, 0x100, 0x800)), Place.Device);
        world.Write(Place, PciOffset.Bar0, 4, (uint)TableAddress);
        world.Command(Place, PciCommand.BusMaster | PciCommand.MemorySpace);
        world.Write(Place, 0x42, 2, 0x8000);
        world.Bus.Store(new(TableAddress + 0x100), 8, 0xFEE0_0000);
        function.Raise(0);
        Assert.Equal(1ul, world.Bus.Load(new(PendingAddress), 8));

        // The rest of the BAR belongs to the device.
        world.Bus.Store(new(TableAddress + 0x140), 4, 0x55);
        Assert.Equal(0x55ul, world.Bus.Load(new(TableAddress + 0x140), 4));
        Assert.Equal(0x55ul, function.ReadBar(0, 0x140, 4));

        function.ResetFunction();
        world.Write(Place, PciOffset.Bar0, 4, (uint)TableAddress);
        world.Command(Place, PciCommand.BusMaster | PciCommand.MemorySpace);
        Assert.Equal(0ul, world.Bus.Load(new(PendingAddress), 8));
        Assert.Equal(0ul, world.Bus.Load(new(TableAddress + 0x100), 8));
        Assert.Equal(1ul, world.Bus.Load(new(TableAddress + 0x10C), 4));
    }

    [Fact]
    public void The_router_gives_each_processor_and_vector_its_signal_and_counts_what_nobody_takes()
    {
        EventLoop loop = new();
        InterruptRouter router = new(loop);
        Signal first = router.Connect(0, 0x30);
        Signal second = router.Connect(1, 0x30);
        Assert.Same(first, router.Connect(0, 0x30));
        router.Deliver(MessageInterrupt.To(0, 0x30));
        Assert.Equal((1ul, 0ul), (first.Raised, second.Raised));
        router.Deliver(MessageInterrupt.To(0xFF, 0x30));
        Assert.Equal((2ul, 1ul), (first.Raised, second.Raised));
        Assert.Equal((2ul, 0ul), (router.Delivered, router.Unclaimed));

        // Another vector, another processor, a logical destination, another delivery mode, an extended destination, an exception's vector.
        MessageInterrupt[] lost =
        [
            MessageInterrupt.To(0, 0x31), MessageInterrupt.To(2, 0x30), new(0xFEE0_0004, 0x30), new(0xFEE0_0000, 0x430),
            new(0x1_FEE0_0000, 0x30), MessageInterrupt.To(0, 5), MessageInterrupt.To(0xFF, 0x31),
        ];
        Array.ForEach(lost, router.Deliver);
        Assert.Equal((2ul, (ulong)lost.Length), (router.Delivered, router.Unclaimed));
        Assert.Equal((2ul, 1ul), (first.Raised, second.Raised));
        Assert.Throws<ArgumentOutOfRangeException>(() => router.Connect(0, 15));
        Assert.Throws<ArgumentOutOfRangeException>(() => router.Connect(0xFF, 32));
    }

    private static void Apply(Step step, int vector, bool[] masked, ProbeFunction function, Model model)
    {
        switch (step)
        {
            case Step.Raise:
                model.Pending[vector] = true;
                function.Raise(vector);
                break;
            case Step.Mask:
                masked[vector] = true;
                break;
            case Step.Unmask:
                masked[vector] = false;
                break;
            default:
                Array.Fill(masked, step == Step.MaskAll);
                break;
        }
    }

    private static ulong Bits(bool[] flags) => flags.Select((flag, at) => flag ? 1ul << at : 0).Aggregate(0ul, (sum, bit) => sum | bit);

    /// <summary>Everything raised is pending; whatever is pending and not masked is sent, lowest first.</summary>
    private sealed class Model(bool[] masked, Func<int, MessageInterrupt> message)
    {
        public bool[] Pending { get; } = new bool[masked.Length];

        public List<MessageInterrupt> Sent { get; } = [];

        public MessageInterrupt Message(int vector) => message(vector);

        public void Settle(bool maskedAll = false)
        {
            for (int vector = 0; vector < masked.Length; vector++)
            {
                if (!Pending[vector] || masked[vector] || maskedAll)
                    continue;
                Pending[vector] = false;
                Sent.Add(message(vector));
            }
        }
    }
}
