using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>The invalidation queue: descriptors, errors, wrap, and what a stop leaves behind (reference sheet, section 4).</summary>
public sealed class InvalidationQueueTests
{
    [Fact]
    public void The_queue_stops_at_an_error_and_goes_on_from_there_when_it_is_cleared()
    {
        using RemappingWorld world = new RemappingWorld("friendly").Enable();
        world.Wait();
        world.Submit(new(0xF, 0));
        Assert.Equal(16ul, world.Read(RegisterOffsets.InvalidationQueueHead));
        Bits128 wait = new WaitDescriptor { Type = InvalidationDescriptorType.Wait, StatusWrite = true, StatusData = 77, StatusAddress = new(RemappingWorld.Status) }.Raw;
        world.Submit(wait);
        Assert.Equal(16ul, world.Read(RegisterOffsets.InvalidationQueueHead));
        Assert.True(world.Memory.TryRead(new PhysicalAddress(RemappingWorld.Status), out uint status));
        Assert.Equal(1u, status);

        // Software puts something valid in the place of the bad one; clearing the error is enough.
        world.Put(new(RemappingWorld.Queue + 16), new WaitDescriptor { Type = InvalidationDescriptorType.Wait }.Raw);
        world.Write(RegisterOffsets.FaultStatus, 0x10, 4);
        Assert.False(world.FaultStatus.InvalidationQueueError);
        Assert.Equal(48ul, world.Read(RegisterOffsets.InvalidationQueueHead));
        Assert.True(world.Memory.TryRead(new PhysicalAddress(RemappingWorld.Status), out status));
        Assert.Equal(77u, status);
    }

    [Fact]
    public void An_error_that_is_still_there_stops_the_queue_again()
    {
        using RemappingWorld world = new RemappingWorld("friendly").Enable();
        world.Submit(new(0xF, 0));
        world.Write(RegisterOffsets.FaultStatus, 0x10, 4);
        Assert.True(world.FaultStatus.InvalidationQueueError);
        Assert.Equal(0ul, world.Read(RegisterOffsets.InvalidationQueueHead));
    }

    [Fact]
    public void A_queue_error_raises_the_fault_event_unless_something_is_pending_already()
    {
        using RemappingWorld world = new RemappingWorld("friendly").Enable();
        world.Write(RegisterOffsets.FaultEventAddress, (uint)InterruptRange.First, 4);
        world.Write(RegisterOffsets.FaultEventData, 0x55, 4);
        world.Write(RegisterOffsets.FaultEventControl, 0, 4);
        world.Submit(new(0xF, 0));
        Assert.Equal(0x55u, Assert.Single(world.Messages).Data);
        Assert.False(world.Port.TryTranslate(new(0), false, out _));
        Assert.Single(world.Messages);
    }

    [Theory]
    [InlineData(0, 0x1000ul, InvalidationQueueError.InvalidTail)]
    [InlineData(0, 0x7FFF0ul, InvalidationQueueError.InvalidTail)]
    [InlineData(2, 0x4000ul, InvalidationQueueError.InvalidTail)]
    [InlineData(7, 0x7FFF0ul, InvalidationQueueError.FetchError)]
    public void A_tail_beyond_the_queue_and_a_queue_beyond_memory_are_errors(int size, ulong tail, InvalidationQueueError error)
    {
        using RemappingWorld world = new(HardwareProfile.Named("friendly"), 0x8000);
        _ = world.Enable();
        for (ulong at = 0x2000; at < 0x8000; at += 16)
            world.Put(new(at), new WaitDescriptor { Type = InvalidationDescriptorType.Wait }.Raw);
        world.Write(RegisterOffsets.InvalidationQueueAddress, new InvalidationQueueAddress { Table = new(RemappingWorld.Queue), SizeCode = size }.Raw.Value);
        world.Write(RegisterOffsets.InvalidationQueueTail, tail);
        Assert.Equal(error, ErrorOf(world));
    }

    [Fact]
    public void Wide_descriptors_are_an_error_on_a_unit_without_scalable_mode()
    {
        using RemappingWorld world = new RemappingWorld("friendly").Enable();
        world.Write(RegisterOffsets.InvalidationQueueAddress, new InvalidationQueueAddress { Table = new(RemappingWorld.Queue), WideDescriptors = true }.Raw.Value);
        world.Write(RegisterOffsets.InvalidationQueueTail, 32);
        Assert.Equal(InvalidationQueueError.InvalidWidth, ErrorOf(world));
    }

    [Theory]
    [InlineData(TranslationTableMode.Legacy, true, InvalidationQueueError.None)]
    [InlineData(TranslationTableMode.Scalable, true, InvalidationQueueError.None)]
    [InlineData(TranslationTableMode.Scalable, false, InvalidationQueueError.InvalidWidth)]
    [InlineData(TranslationTableMode.Reserved, true, InvalidationQueueError.InvalidMode)]
    [InlineData(TranslationTableMode.Abort, true, InvalidationQueueError.InvalidMode)]
    public void A_mode_that_the_unit_lacks_is_an_error_when_there_is_work(TranslationTableMode mode, bool wide, InvalidationQueueError error)
    {
        using RemappingWorld world = new RemappingWorld(DescriptorTests.Capable).Enable(wide: wide);
        world.Write(RegisterOffsets.RootTableAddress, new RootTableAddress { Table = new(RemappingWorld.RootTable), Mode = mode }.Raw.Value);
        world.Submit(new WaitDescriptor { Type = InvalidationDescriptorType.Wait }.Raw);
        Assert.Equal(InvalidationQueueError.None, ErrorOf(world));

        // The mode counts from SRTP on; and when the mode is right again, clearing the error is enough.
        ulong before = world.Read(RegisterOffsets.InvalidationQueueHead);
        world.Command(new() { SetRootTablePointer = true, QueuedInvalidationEnable = true, TranslationEnable = true });
        world.Submit(new WaitDescriptor { Type = InvalidationDescriptorType.Wait }.Raw);
        Assert.Equal(error, ErrorOf(world));
        Assert.Equal(error != InvalidationQueueError.None, world.Read(RegisterOffsets.InvalidationQueueHead) == before);
        world.Write(RegisterOffsets.RootTableAddress, RemappingWorld.RootTable);
        world.Command(new() { SetRootTablePointer = true, QueuedInvalidationEnable = true, TranslationEnable = true });
        world.Write(RegisterOffsets.FaultStatus, new FaultStatus { InvalidationQueueError = true }.Raw.Value, 4);
        Assert.Equal(before * 2, world.Read(RegisterOffsets.InvalidationQueueHead));
    }

    [Fact]
    public void A_tail_in_the_middle_of_a_wide_descriptor_is_an_error()
    {
        using RemappingWorld world = new RemappingWorld(DescriptorTests.Capable).Enable(wide: true);
        world.Write(RegisterOffsets.InvalidationQueueTail, 0x30);
        Assert.Equal(InvalidationQueueError.MisalignedTail, ErrorOf(world));
        Assert.Equal(0ul, world.Read(RegisterOffsets.InvalidationQueueHead));
        for (ulong at = 0; at < 0x40; at += 32)
            world.Put(new(RemappingWorld.Queue + at), new WaitDescriptor { Type = InvalidationDescriptorType.Wait }.Raw);
        world.Write(RegisterOffsets.InvalidationQueueTail, 0x40);
        Assert.Equal(0ul, world.Read(RegisterOffsets.InvalidationQueueHead));
        world.Write(RegisterOffsets.FaultStatus, new FaultStatus { InvalidationQueueError = true }.Raw.Value, 4);
        Assert.Equal(0x40ul, world.Read(RegisterOffsets.InvalidationQueueHead));
    }

    [Fact]
    public void A_smaller_ring_under_a_running_queue_is_an_error_and_no_endless_loop()
    {
        using RemappingWorld world = new RemappingWorld("friendly").Enable();
        world.Write(RegisterOffsets.InvalidationQueueAddress, new InvalidationQueueAddress { Table = new(RemappingWorld.Queue), SizeCode = 3 }.Raw.Value);
        for (ulong at = 0; at < 0x2000; at += 16)
            world.Put(new(RemappingWorld.Queue + at), new WaitDescriptor { Type = InvalidationDescriptorType.Wait }.Raw);
        world.Write(RegisterOffsets.InvalidationQueueTail, 0x1800);
        Assert.Equal(0x1800ul, world.Read(RegisterOffsets.InvalidationQueueHead));
        world.Write(RegisterOffsets.InvalidationQueueAddress, RemappingWorld.Queue);
        world.Write(RegisterOffsets.InvalidationQueueTail, 0x10);
        Assert.Equal(InvalidationQueueError.InvalidTail, ErrorOf(world));
    }

    [Fact]
    public void The_ring_wraps()
    {
        using RemappingWorld world = new RemappingWorld("friendly").Enable();
        for (int count = 0; count < 1000; count++)
            world.Wait();
        Assert.Equal(1000ul * 16 % 4096, world.Read(RegisterOffsets.InvalidationQueueHead));
    }

    [Fact]
    public void Switching_the_queue_off_puts_the_head_back()
    {
        using RemappingWorld world = new RemappingWorld("friendly").Enable();
        world.Wait();
        world.Command(new() { TranslationEnable = true });
        Assert.False(world.GlobalStatus.QueuedInvalidationEnabled);
        Assert.Equal(0ul, world.Read(RegisterOffsets.InvalidationQueueHead));
        Assert.Equal(16ul, world.Read(RegisterOffsets.InvalidationQueueTail));
    }

    [Fact]
    public void A_wait_writes_its_status_before_it_interrupts_and_may_do_neither()
    {
        using RemappingWorld world = new RemappingWorld("friendly").Enable();
        world.Write(RegisterOffsets.InvalidationEventAddress, (uint)InterruptRange.First, 4);
        world.Write(RegisterOffsets.InvalidationEventData, 0x66, 4);
        world.Submit(new WaitDescriptor { Type = InvalidationDescriptorType.Wait, Fence = true }.Raw);
        Assert.Equal(0ul, world.Read(RegisterOffsets.InvalidationCompletionStatus, 4));
        WaitDescriptor both = new() { Type = InvalidationDescriptorType.Wait, StatusWrite = true, Interrupt = true, StatusData = 5, StatusAddress = new(RemappingWorld.Status) };
        world.Submit(both.Raw);
        Assert.True(world.Memory.TryRead(new PhysicalAddress(RemappingWorld.Status), out uint status));
        Assert.Equal(5u, status);

        // Masked: the event waits, and goes out when the mask falls; a second wait is no new event.
        Assert.Equal(1ul, world.Read(RegisterOffsets.InvalidationCompletionStatus, 4));
        Assert.True(new EventControl(new(world.Read(RegisterOffsets.InvalidationEventControl, 4))).Pending);
        Assert.Empty(world.Messages);
        world.Write(RegisterOffsets.InvalidationEventControl, 0, 4);
        Assert.Equal(0x66u, Assert.Single(world.Messages).Data);
        world.Submit(both.Raw);
        Assert.Single(world.Messages);
        world.Write(RegisterOffsets.InvalidationCompletionStatus, 1, 4);
        world.Submit(both.Raw);
        Assert.Equal(2, world.Messages.Count);

        // Serviced before it was sent: nothing is left to send.
        world.Write(RegisterOffsets.InvalidationCompletionStatus, 1, 4);
        world.Write(RegisterOffsets.InvalidationEventControl, 1ul << 31, 4);
        world.Submit(both.Raw);
        world.Write(RegisterOffsets.InvalidationCompletionStatus, 1, 4);
        world.Write(RegisterOffsets.InvalidationEventControl, 0, 4);
        Assert.Equal(2, world.Messages.Count);
    }

    [Fact]
    public void A_device_selective_invalidation_that_names_the_domain_spares_others_on_a_strict_unit()
    {
        foreach (bool strict in (bool[])[false, true])
        {
            using RemappingWorld world = new(HardwareProfile.Named("friendly") with { DeviceSelectiveMatchesDomain = strict });
            PhysicalAddress first = world.Frame(), second = world.Frame();
            world.Map(first, AddressWidth.Bits57, 0x1000, RemappingWorld.Page(0x10_0000));
            world.Map(second, AddressWidth.Bits57, 0x1000, RemappingWorld.Page(0x20_0000));
            world.PutContext(RemappingWorld.Device, world.Context(first, 1));
            _ = world.Enable();
            Assert.True(world.Port.TryTranslate(new(0x1000), false, out _));
            world.PutContext(RemappingWorld.Device, world.Context(second, 2));
            world.InvalidateContext(ContextGranularity.Device, 2, RemappingWorld.Device);
            Assert.True(world.Port.TryTranslate(new(0x1000), false, out PhysicalAddress target));
            Assert.Equal(strict ? 0x10_0000ul : 0x20_0000, target.Value);
        }
    }

    private static InvalidationQueueError ErrorOf(RemappingWorld world) => world.QueueError.Error;
}
