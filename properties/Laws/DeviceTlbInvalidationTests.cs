using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>What becomes of invalidations that are sent to devices: completions, wrong ones, none (reference sheet, sections 4.1 to 4.5).</summary>
public sealed class DeviceTlbInvalidationTests
{
    private const ulong Elsewhere = RemappingWorld.Status + 64;

    [Theory]
    [InlineData(0x5000ul, false, 0x5000ul, 12)]
    [InlineData(0x7000ul, false, 0x7000ul, 12)]
    [InlineData(0x4000ul, true, 0x4000ul, 13)]
    [InlineData(0x5000ul, true, 0x4000ul, 14)]
    [InlineData(0xB000ul, true, 0x8000ul, 15)]
    [InlineData(0x1_2340_FF000ul, true, 0x1_2340_00000ul, 21)]
    [InlineData(0x3FFF_FFFF_FFFF_F000ul, true, 0ul, 63)]
    [InlineData(0x7FFF_FFFF_FFFF_F000ul, true, 0ul, 64)]
    [InlineData(0xFFFF_FFFF_FFFF_F000ul, true, 0ul, 64)]
    public void A_device_is_told_the_range_that_address_and_size_bit_mean(ulong address, bool size, ulong first, int shift)
    {
        using RemappingWorld world = new RemappingWorld(DescriptorTests.Capable).Enable(wide: true);
        Device device = Connect(world, RemappingWorld.Device);
        world.Submit((Ask(RemappingWorld.Device) with { Address = new(address), Size = size, MaximumPending = 9, PhysicalFunction = new(0x1234) }).Raw);
        Assert.Equal(new DeviceTlbInvalidation(new(first), shift, null, false, new(0x1234), 9), Assert.Single(device.Requests));
        PasidDeviceTlbDescriptor process = new()
        {
            Type = InvalidationDescriptorType.PasidDeviceTlb,
            Source = RemappingWorld.Device,
            Pasid = new(0xABCDE),
            Address = new(address),
            Size = size,
            Global = true,
            MaximumPending = 31,
            PhysicalFunction = new(0x8765),
        };
        world.Submit(process.Raw);
        Assert.Equal(new DeviceTlbInvalidation(new(first), shift, new Pasid(0xABCDE), true, new(0x8765), 31), device.Requests[^1]);
        Assert.Equal(0u, world.FaultStatus.Raw.Value);
        Assert.True(device.Requests[0].Spares(new(first ^ (1ul << 63))) == (shift != 64));
        Assert.False(device.Requests[0].Spares(new(first + (1ul << (shift - 1)))));
    }

    [Fact]
    public void A_completed_invalidation_lets_the_wait_behind_it_complete()
    {
        using RemappingWorld world = new RemappingWorld(DescriptorTests.Capable).Enable();
        Connect(world, RemappingWorld.Device);
        world.SubmitAll(Wide(Ask(RemappingWorld.Device).Raw), Wide(Wait(5)));
        Assert.Equal(5u, StatusOf(world));
        Assert.Equal(0u, world.FaultStatus.Raw.Value);
    }

    [Fact]
    public void A_device_that_does_not_answer_aborts_the_waits_and_stops_the_queue_until_software_says_so()
    {
        using RemappingWorld world = new RemappingWorld(DescriptorTests.Capable).Enable();
        SourceId first = new(0, 5, 0), second = new(0, 6, 0);
        Connect(world, first).Answer = DeviceTlbAnswer.None;

        // A second one that is not there at all. What is not behind a fence is fetched while the unit waits.
        world.SubmitAll(Wide(Ask(first).Raw), Wide(Ask(second).Raw), Wide(Wait(5)), Wide(IotlbGlobal), Wide(Wait(6)));
        Assert.Equal(new FaultStatus { InvalidationTimeout = true }, world.FaultStatus);
        Assert.Equal(first, world.QueueError.TimeoutSource);
        Assert.Equal(80ul, world.Read(RegisterOffsets.InvalidationQueueHead));
        Assert.Equal(0u, StatusOf(world));
        Assert.Equal(1ul, world.Unit.Statistics.Invalidations);

        // Nothing more is fetched.
        world.Submit(Wait(7));
        Assert.Equal(80ul, world.Read(RegisterOffsets.InvalidationQueueHead));
        Assert.Equal(0u, StatusOf(world));
        world.Write(RegisterOffsets.FaultStatus, new FaultStatus { InvalidationTimeout = true }.Raw.Value, 4);
        Assert.Equal(96ul, world.Read(RegisterOffsets.InvalidationQueueHead));
        Assert.Equal(7u, StatusOf(world));
        Assert.Equal(0u, world.FaultStatus.Raw.Value);
        Assert.Equal(first, world.QueueError.TimeoutSource);
    }

    [Fact]
    public void A_fence_behind_a_device_that_does_not_answer_holds_back_what_follows()
    {
        using RemappingWorld world = new RemappingWorld(DescriptorTests.Capable).Enable();
        Bits128 fence = new WaitDescriptor { Type = InvalidationDescriptorType.Wait, Fence = true }.Raw;
        world.SubmitAll(Wide(Ask(RemappingWorld.Device).Raw), Wide(Wait(5)), Wide(fence), Wide(IotlbGlobal), Wide(Wait(6)));
        Assert.True(world.FaultStatus.InvalidationTimeout);
        Assert.Equal(48ul, world.Read(RegisterOffsets.InvalidationQueueHead));
        Assert.Equal(0ul, world.Unit.Statistics.Invalidations);
        world.Write(RegisterOffsets.FaultStatus, new FaultStatus { InvalidationTimeout = true }.Raw.Value, 4);
        Assert.Equal(80ul, world.Read(RegisterOffsets.InvalidationQueueHead));
        Assert.Equal(6u, StatusOf(world));
        Assert.Equal(1ul, world.Unit.Statistics.Invalidations);
    }

    [Fact]
    public void An_error_behind_a_device_that_does_not_answer_is_told_beside_the_timeout()
    {
        using RemappingWorld world = new RemappingWorld(DescriptorTests.Capable).Enable();
        world.Write(RegisterOffsets.FaultEventAddress, (uint)InterruptRange.First, 4);
        world.Write(RegisterOffsets.FaultEventControl, 0, 4);
        world.SubmitAll(Wide(Ask(RemappingWorld.Device).Raw), new(0xF, 0, 0, 0));
        Assert.Equal(new FaultStatus { InvalidationTimeout = true, InvalidationQueueError = true }, world.FaultStatus);
        Assert.Equal(InvalidationQueueError.InvalidType, world.QueueError.Error);
        Assert.Equal(RemappingWorld.Device, world.QueueError.TimeoutSource);
        Assert.Single(world.Messages);

        // Each of the two stops the queue.
        world.Put(new(RemappingWorld.Queue + 16), Wait(5));
        world.Write(RegisterOffsets.FaultStatus, new FaultStatus { InvalidationTimeout = true }.Raw.Value, 4);
        Assert.Equal(0u, StatusOf(world));
        world.Write(RegisterOffsets.FaultStatus, new FaultStatus { InvalidationQueueError = true }.Raw.Value, 4);
        Assert.Equal(5u, StatusOf(world));
    }

    [Fact]
    public void A_completion_that_belongs_to_nothing_is_an_error_that_does_not_stop_the_queue()
    {
        using RemappingWorld world = new RemappingWorld(DescriptorTests.Capable).Enable();
        SourceId first = new(0, 5, 0), second = new(0, 6, 0);
        Connect(world, first).Answer = DeviceTlbAnswer.Completed | DeviceTlbAnswer.Unexpected;
        Device other = Connect(world, second);
        other.Answer = DeviceTlbAnswer.Completed | DeviceTlbAnswer.Unexpected;
        world.SubmitAll(Wide(Ask(first).Raw), Wide(Ask(second).Raw), Wide(Wait(5)));
        Assert.Equal(new FaultStatus { InvalidationCompletionError = true }, world.FaultStatus);
        Assert.Equal(first, world.QueueError.CompletionSource);
        Assert.Equal(5u, StatusOf(world));

        // After software has seen it, the next one counts. A wrong completion alone is also none that was waited for.
        world.Write(RegisterOffsets.FaultStatus, new FaultStatus { InvalidationCompletionError = true }.Raw.Value, 4);
        other.Answer = DeviceTlbAnswer.Unexpected;
        world.SubmitAll(Wide(Ask(second).Raw), Wide(Wait(6)));
        Assert.Equal(new FaultStatus { InvalidationCompletionError = true, InvalidationTimeout = true }, world.FaultStatus);
        Assert.Equal((second, second), (world.QueueError.CompletionSource, world.QueueError.TimeoutSource));
        Assert.Equal(5u, StatusOf(world));
    }

    [Fact]
    public void A_device_that_was_disconnected_answers_no_more()
    {
        using RemappingWorld world = new RemappingWorld(DescriptorTests.Capable).Enable();
        Device device = Connect(world, RemappingWorld.Device);
        world.Unit.Connect(RemappingWorld.Device, null);
        world.Submit(Ask(RemappingWorld.Device).Raw);
        Assert.Empty(device.Requests);
        Assert.True(world.FaultStatus.InvalidationTimeout);
    }

    [Fact]
    public void A_response_to_page_requests_reaches_the_device_that_it_names()
    {
        using RemappingWorld world = new RemappingWorld(DescriptorTests.Capable).Enable(wide: true);
        Device device = Connect(world, RemappingWorld.Device);
        PageGroupResponseDescriptor response = new()
        {
            Type = InvalidationDescriptorType.PageGroupResponse,
            Requester = RemappingWorld.Device,
            PasidPresent = true,
            Pasid = new(0xFEDCB),
            Group = 0x1A5,
            Code = PageResponseCode.InvalidRequest,
        };
        world.Submit(response.Raw);
        world.Submit((response with { PasidPresent = false, LastInGroup = true, Code = PageResponseCode.Failure }).Raw);
        world.Submit((response with { Requester = new(7) }).Raw);
        Assert.Equal(
            [new(0x1A5, new Pasid(0xFEDCB), PageResponseCode.InvalidRequest), new(0x1A5, null, PageResponseCode.Failure)],
            device.Responses);
        Assert.Equal(0u, world.FaultStatus.Raw.Value);
    }

    private static Bits128 IotlbGlobal => new IotlbDescriptor { Type = InvalidationDescriptorType.Iotlb, Granularity = IotlbGranularity.Global }.Raw;

    private static DeviceTlbDescriptor Ask(SourceId device) => new() { Type = InvalidationDescriptorType.DeviceTlb, Source = device };

    // Each one writes to a place of its own that nobody else writes to.
    private static Bits128 Wait(uint data) => new WaitDescriptor
    {
        Type = InvalidationDescriptorType.Wait,
        StatusWrite = true,
        StatusData = data,
        StatusAddress = new(Elsewhere),
    }.Raw;

    private static Bits256 Wide(Bits128 descriptor) => new(descriptor.Word0, descriptor.Word1, 0, 0);

    private static uint StatusOf(RemappingWorld world)
    {
        Assert.True(world.Memory.TryRead(new PhysicalAddress(Elsewhere), out uint status));
        return status;
    }

    private static Device Connect(RemappingWorld world, SourceId source)
    {
        Device device = new();
        world.Unit.Connect(source, device);
        return device;
    }

    private sealed class Device : IDeviceTlb
    {
        public DeviceTlbAnswer Answer { get; set; } = DeviceTlbAnswer.Completed;

        public List<DeviceTlbInvalidation> Requests { get; } = [];

        public List<PageGroupResponse> Responses { get; } = [];

        public DeviceTlbAnswer Invalidate(in DeviceTlbInvalidation request)
        {
            Requests.Add(request);
            return Answer;
        }

        public void Respond(in PageGroupResponse response) => Responses.Add(response);
    }
}
