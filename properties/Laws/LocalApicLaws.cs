using Dma.Machine;

namespace Dma.Properties;

/// <summary>What a local APIC does with what arrives, what software writes, and time.</summary>
public sealed class LocalApicLaws
{
    private readonly EventLoop _loop = new();
    private readonly InterruptRouter _router;

    public LocalApicLaws() => _router = new(_loop);

    [Fact]
    public void A_vector_in_service_holds_back_its_class_and_those_below_and_lets_a_higher_one_nest()
    {
        InterruptGates cpu = Driven(0);
        Signal low = cpu.Connect(0x31), same = cpu.Connect(0x3F), high = cpu.Connect(0x51);
        Send(0x31);
        Send(0x3F);
        Assert.Equal((1ul, 0ul, 0ul), (low.Raised, same.Raised, high.Raised));
        Assert.Equal(0x30ul, Read(cpu, LocalApicOffsets.ProcessorPriority));
        Send(0x51);
        Assert.Equal((1ul, 0ul, 1ul), (low.Raised, same.Raised, high.Raised));
        Assert.Equal(0x8000_0000ul, Read(cpu, LocalApicOffsets.InterruptRequest + 0x10));
        Assert.Equal((0x2_0000ul, 0x2_0000ul), (Read(cpu, LocalApicOffsets.InService + 0x10), Read(cpu, LocalApicOffsets.InService + 0x20)));

        // Ends go from the highest one down; the one that waited is taken when its class is free.
        End(cpu);
        Assert.Equal(0ul, same.Raised);
        End(cpu);
        Assert.Equal(1ul, same.Raised);
        End(cpu);
        End(cpu);
        Assert.Equal((0ul, 0ul), (Read(cpu, LocalApicOffsets.ProcessorPriority), Read(cpu, LocalApicOffsets.InService + 0x10)));
    }

    [Fact]
    public void The_task_priority_masks_its_class_and_below_until_it_is_lowered()
    {
        InterruptGates cpu = Driven(0);
        Signal signal = cpu.Connect(0x45);
        Write(cpu, LocalApicOffsets.TaskPriority, 0x40);
        Send(0x45);
        Send(0x45);
        Assert.Equal(0ul, signal.Raised);
        Write(cpu, LocalApicOffsets.TaskPriority, 0x3F);
        Assert.Equal(1ul, signal.Raised);
        Assert.Equal(0x40ul, Read(cpu, LocalApicOffsets.ProcessorPriority));

        // Equal classes: the priority is that of the task, with its lower bits.
        Write(cpu, LocalApicOffsets.TaskPriority, 0x4C);
        Assert.Equal(0x4Cul, Read(cpu, LocalApicOffsets.ProcessorPriority));
    }

    [Fact]
    public void Software_that_never_turned_the_apic_on_gets_each_interrupt_and_ends_none()
    {
        InterruptGates cpu = _router.ProcessorOf(0);
        Signal signal = cpu.Connect(0x45);
        Send(0x45);
        Send(0x45);
        Send(0x46);
        Assert.Equal((2ul, 2ul, 1ul), (signal.Raised, _router.Delivered, _router.Unclaimed));
        Assert.Equal(0ul, Read(cpu, LocalApicOffsets.InService + 0x20));
        Assert.False(cpu.Apic.IsDriven);

        // Its task priority counts all the same.
        Write(cpu, LocalApicOffsets.TaskPriority, 0x50);
        Send(0x45);
        Assert.Equal(2ul, signal.Raised);
        Write(cpu, LocalApicOffsets.TaskPriority, 0);
        Assert.Equal(3ul, signal.Raised);
    }

    [Fact]
    public void An_apic_that_software_turned_off_takes_nothing_keeps_what_it_has_and_masks_its_own_sources()
    {
        InterruptGates cpu = Driven(0);
        Signal signal = cpu.Connect(0x45);
        Write(cpu, LocalApicOffsets.TaskPriority, 0xF0);
        Send(0x45);
        Write(cpu, LocalApicOffsets.TimerEntry, 0x46);
        Write(cpu, LocalApicOffsets.SpuriousVector, 0xFF);
        Send(0x47);
        Assert.Equal(1ul, _router.Unclaimed);
        Assert.Equal(1ul << 5, Read(cpu, LocalApicOffsets.InterruptRequest + 0x20));
        Write(cpu, LocalApicOffsets.TimerEntry, 0x46);
        Assert.Equal(0x1_0046ul, Read(cpu, LocalApicOffsets.TimerEntry));
        Write(cpu, LocalApicOffsets.SpuriousVector, 0x1FF);
        Write(cpu, LocalApicOffsets.TimerEntry, 0x46);
        Assert.Equal(0x46ul, Read(cpu, LocalApicOffsets.TimerEntry));
        Write(cpu, LocalApicOffsets.TaskPriority, 0);
        Assert.Equal(1ul, signal.Raised);

        cpu.Apic.Reset();
        Assert.Equal((false, 0x1_0000ul, 0ul), (cpu.Apic.IsDriven, Read(cpu, LocalApicOffsets.TimerEntry), Read(cpu, LocalApicOffsets.InService + 0x20)));
    }

    [Fact]
    public void Errors_show_when_the_register_is_written_and_raise_their_vector()
    {
        InterruptGates cpu = Driven(0);
        Signal error = cpu.Connect(0xE0);
        Write(cpu, LocalApicOffsets.ErrorEntry, 0xE0);
        Assert.Equal(0ul, Read(cpu, 0x040));
        Assert.Equal(0ul, Read(cpu, LocalApicOffsets.ErrorStatus));
        Write(cpu, LocalApicOffsets.ErrorStatus, 0);
        Assert.Equal(0x80ul, Read(cpu, LocalApicOffsets.ErrorStatus));
        Write(cpu, LocalApicOffsets.InterruptCommand, 0x4_0005);
        Send(7);
        Write(cpu, LocalApicOffsets.ErrorStatus, 0);
        Assert.Equal(0x60ul, Read(cpu, LocalApicOffsets.ErrorStatus));
        Write(cpu, LocalApicOffsets.ErrorStatus, 0);
        Assert.Equal(0ul, Read(cpu, LocalApicOffsets.ErrorStatus));
        Assert.Equal(1ul, error.Raised);
        End(cpu);
        Assert.Equal(2ul, error.Raised);

        // A vector of its own that is none is an error too, and does not go in circles.
        Write(cpu, LocalApicOffsets.ErrorEntry, 3);
        Write(cpu, 0x3F0, 1);
        Write(cpu, LocalApicOffsets.ErrorStatus, 0);
        Assert.Equal(0xC0ul, Read(cpu, LocalApicOffsets.ErrorStatus));
    }

    [Fact]
    public void Accesses_of_another_width_or_place_change_nothing_and_an_access_beyond_the_registers_is_no_error()
    {
        InterruptGates cpu = Driven(0);
        foreach ((ulong offset, int width) in ((ulong, int)[])[(0x80, 1), (0x80, 2), (0x80, 8), (0x81, 4), (0x84, 4), (0x88, 8)])
            cpu.Apic.Write(offset, width, 0x20);
        Assert.Equal(0ul, Read(cpu, LocalApicOffsets.TaskPriority));
        Write(cpu, LocalApicOffsets.TaskPriority, 0x35);
        Assert.Equal((0x35ul, 0ul, 0x35ul), (cpu.Apic.Read(0x80, 1), cpu.Apic.Read(0x84, 4), cpu.Apic.Read(0x80, 8)));
        cpu.Apic.Write(0x400, 4, 1);
        Assert.Equal(0ul, cpu.Apic.Read(0xFFF, 1));
        Write(cpu, LocalApicOffsets.ErrorStatus, 0);
        Assert.Equal(0ul, Read(cpu, LocalApicOffsets.ErrorStatus));
    }

    [Fact]
    public void A_processor_sends_to_itself_to_all_to_others_and_to_whom_it_names()
    {
        InterruptGates[] cpus = [Driven(0), Driven(1), Driven(2)];
        Signal[] signals = [.. cpus.Select(cpu => cpu.Connect(0x61))];
        (uint High, uint Low, ulong[] Raised)[] cases =
        [
            (0x0200_0000, 0x0_0061, [0, 0, 1]),
            (0x0200_0000, 0x4_0061, [0, 1, 1]),
            (0x0000_0000, 0x8_0061, [1, 2, 2]),
            (0x0000_0000, 0xC_0061, [2, 2, 3]),
            (0xFF00_0000, 0x0_0061, [3, 3, 4]),
            (0x0900_0000, 0x0_0061, [3, 3, 4]),
            (0x0100_0000, 0x0_0561, [3, 3, 4]),
        ];
        foreach ((uint high, uint low, ulong[] raised) in cases)
        {
            Write(cpus[1], LocalApicOffsets.InterruptCommandHigh, high);
            Write(cpus[1], LocalApicOffsets.InterruptCommand, low);
            Array.ForEach(cpus, End);
            Assert.Equal(raised, signals.Select(signal => signal.Raised));
        }
    }

    [Theory]
    [InlineData(0xFu, 0b011, new ulong[] { 1, 1, 0 })]
    [InlineData(0xFu, 0b100, new ulong[] { 0, 0, 1 })]
    [InlineData(0xFu, 0xFF, new ulong[] { 1, 1, 1 })]
    [InlineData(0x0u, 0x03, new ulong[] { 1, 1, 0 })]
    [InlineData(0x0u, 0x13, new ulong[] { 0, 0, 0 })]
    [InlineData(0x0u, 0xFF, new ulong[] { 1, 1, 1 })]
    public void A_logical_destination_is_read_flat_or_by_clusters(uint format, byte destination, ulong[] raised)
    {
        Signal[] signals = [.. Enumerable.Range(0, 3).Select(id =>
        {
            InterruptGates cpu = Driven((byte)id);
            Write(cpu, LocalApicOffsets.LogicalDestination, 0x0100_0000u << id);
            Write(cpu, LocalApicOffsets.DestinationFormat, format << 28);
            return cpu.Connect(0x61);
        })];
        _router.Deliver(new(InterruptRange.First | ((ulong)destination << 12) | 4, 0x61));
        Assert.Equal(raised, signals.Select(signal => signal.Raised));
    }

    [Theory]
    [InlineData(0x04, 0x161u)]
    [InlineData(0x0C, 0x061u)]
    public void Of_several_processors_the_one_that_does_the_least_important_work_is_chosen(uint flags, uint data)
    {
        Signal[] signals = [.. Enumerable.Range(0, 3).Select(id =>
        {
            InterruptGates cpu = Driven((byte)id);
            Write(cpu, LocalApicOffsets.LogicalDestination, 0x0100_0000u << id);
            Write(cpu, LocalApicOffsets.TaskPriority, id == 0 ? 0x50u : 0x20);
            return cpu.Connect(0x61);
        })];
        MessageInterrupt message = new(InterruptRange.First | (7 << 12) | flags, data);
        _router.Deliver(message);
        Assert.Equal([0ul, 1ul, 0ul], signals.Select(signal => signal.Raised));

        // It is in service there now, and so the next one is another's.
        _router.Deliver(message);
        Assert.Equal([0ul, 1ul, 1ul], signals.Select(signal => signal.Raised));
        _router.Deliver(message with { Address = InterruptRange.First | (8 << 12) | flags });
        Assert.Equal((2ul, 1ul), (_router.Delivered, _router.Unclaimed));
    }

    [Fact]
    public void A_non_maskable_interrupt_passes_every_priority_and_waits_for_closed_gates_alone()
    {
        InterruptGates cpu = Driven(0);
        Signal signal = cpu.ConnectNonMaskable();
        Write(cpu, LocalApicOffsets.TaskPriority, 0xFF);
        _router.Deliver(new(InterruptRange.First, 0x400));
        Assert.Equal(1ul, signal.Raised);
        cpu.IsOpen = false;
        _router.Deliver(new(InterruptRange.First, 0x400));
        _router.Deliver(new(InterruptRange.First, 0x400));
        Assert.Equal(1ul, signal.Raised);
        cpu.IsOpen = true;
        cpu.IsOpen = true;
        Assert.Equal(2ul, signal.Raised);
    }

    [Fact]
    public void The_end_of_a_level_is_told_to_the_io_apic_unless_software_says_no()
    {
        using PciWorld world = new();
        using PhysicalMemory memory = new(0x1000);
        IoApic controller = new(new DirectFabric(memory, _router), new(0xF0, 0x1F, 0));
        _router.Connect(controller);
        InterruptGates cpu = Driven(0);
        Signal signal = cpu.Connect(0x55);
        controller.Write(0, 4, 0x10);
        controller.Write(0x10, 4, 0x8055);
        controller.SetLevel(0, true);
        Assert.Equal(1ul, signal.Raised);
        Assert.Equal(1ul << 21, Read(cpu, LocalApicOffsets.TriggerMode + 0x20));
        End(cpu);
        Assert.Equal(2ul, signal.Raised);
        controller.SetLevel(0, false);
        End(cpu);
        controller.SetLevel(0, true);
        Assert.Equal(3ul, signal.Raised);

        // Directed: software tells the I/O APIC itself.
        Write(cpu, LocalApicOffsets.SpuriousVector, 0x11FF);
        End(cpu);
        Assert.Equal(3ul, signal.Raised);
        controller.Write(0x40, 4, 0x55);
        Assert.Equal(4ul, signal.Raised);
    }

    [Fact]
    public void A_pin_raises_its_entry_as_an_edge_a_level_or_a_non_maskable_interrupt()
    {
        InterruptGates cpu = Driven(0);
        Signal edge = cpu.Connect(0x41), level = cpu.Connect(0x52), nonMaskable = cpu.ConnectNonMaskable();
        Write(cpu, LocalApicOffsets.Pin0Entry, 0x41);
        cpu.Apic.SetLevel(0, true);
        cpu.Apic.SetLevel(0, true);
        Assert.Equal(1ul, edge.Raised);
        cpu.Apic.SetLevel(1, true);
        Write(cpu, LocalApicOffsets.Pin1Entry, 0x8052);
        Assert.Equal((1ul, 0xC052ul), (level.Raised, Read(cpu, LocalApicOffsets.Pin1Entry)));
        End(cpu);
        Assert.Equal(2ul, level.Raised);
        cpu.Apic.SetLevel(1, false);
        End(cpu);
        Assert.Equal((2ul, 0x8052ul), (level.Raised, Read(cpu, LocalApicOffsets.Pin1Entry)));
        Write(cpu, LocalApicOffsets.Pin1Entry, 0x400);
        cpu.Apic.SetLevel(1, true);
        Assert.Equal(1ul, nonMaskable.Raised);
    }

    [Theory]
    [InlineData(0b0000, 2u)]
    [InlineData(0b0001, 4u)]
    [InlineData(0b0010, 8u)]
    [InlineData(0b0011, 16u)]
    [InlineData(0b1000, 32u)]
    [InlineData(0b1001, 64u)]
    [InlineData(0b1010, 128u)]
    [InlineData(0b1011, 1u)]
    public void The_timer_counts_by_its_divisor_once_or_again_and_again(uint configuration, uint divisor)
    {
        InterruptGates cpu = Driven(0);
        Signal signal = cpu.Connect(0x70);
        Write(cpu, LocalApicOffsets.TimerEntry, 0x70);
        Write(cpu, LocalApicOffsets.DivideConfiguration, configuration);
        Write(cpu, LocalApicOffsets.InitialCount, 10_000);
        _loop.RunFor(4_000ul * divisor);
        Assert.Equal((6_000ul, 0ul), (Read(cpu, LocalApicOffsets.CurrentCount), signal.Raised));
        _loop.RunFor(6_000ul * divisor);
        Assert.Equal((0ul, 1ul), (Read(cpu, LocalApicOffsets.CurrentCount), signal.Raised));
        _loop.RunFor(100_000ul * divisor);
        End(cpu);
        Assert.Equal(1ul, signal.Raised);

        // Another mode disarms it; a count arms it again.
        Write(cpu, LocalApicOffsets.InitialCount, 10_000);
        Write(cpu, LocalApicOffsets.TimerEntry, 0x2_0070);
        Assert.Equal(0ul, Read(cpu, LocalApicOffsets.CurrentCount));
        Write(cpu, LocalApicOffsets.InitialCount, 10_000);
        for (ulong expired = 2; expired < 5; expired++)
        {
            _loop.RunFor(10_000ul * divisor);
            Assert.Equal(expired, signal.Raised);
            End(cpu);
        }

        Write(cpu, LocalApicOffsets.InitialCount, 0);
        _loop.RunFor(100_000ul * divisor);
        Assert.Equal(4ul, signal.Raised);
    }

    [Fact]
    public void A_period_of_one_nanosecond_does_not_hold_up_time()
    {
        InterruptGates cpu = Driven(0);
        Write(cpu, LocalApicOffsets.TimerEntry, 0x2_0070);
        Write(cpu, LocalApicOffsets.DivideConfiguration, 0xB);
        Write(cpu, LocalApicOffsets.InitialCount, 1);
        ulong events = _loop.EventsRun;
        _loop.RunFor(1_000_000);
        Assert.InRange(_loop.EventsRun - events, 1ul, 1_001ul);
    }

    [Fact]
    public void Software_finds_the_apic_of_its_own_processor_in_its_page()
    {
        using BareMetal machine = new();
        GuestPhysicalAddress page = new(LocalApic.Start);
        Assert.Equal(3ul << 24, machine.Cpu.Load(page + LocalApicOffsets.Id, 4));
        machine.Cpu.Store(page + LocalApicOffsets.TaskPriority, 4, 0x77);
        Assert.Equal(0x77ul, machine.Interrupts.ProcessorOf(3).Apic.Read(LocalApicOffsets.TaskPriority, 4));
        Assert.Equal(0ul, machine.Interrupts.ProcessorOf(4).Apic.Read(LocalApicOffsets.TaskPriority, 4));
        Assert.Equal(ulong.MaxValue, machine.Cpu.Load(page + (LocalApic.Length - 4), 8));
    }

    private static ulong Read(InterruptGates cpu, int offset) => cpu.Apic.Read((ulong)offset, 4);

    private static void Write(InterruptGates cpu, int offset, uint value) => cpu.Apic.Write((ulong)offset, 4, value);

    private static void End(InterruptGates cpu) => Write(cpu, LocalApicOffsets.EndOfInterrupt, 0);

    // A processor whose software has turned its APIC on.
    private InterruptGates Driven(byte id)
    {
        InterruptGates cpu = _router.ProcessorOf(id);
        Write(cpu, LocalApicOffsets.SpuriousVector, 0x1FF);
        return cpu;
    }

    private void Send(byte vector) => _router.Deliver(MessageInterrupt.To(0, vector));
}
