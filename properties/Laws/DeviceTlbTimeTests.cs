using Dma.Devices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Invalidations that a device completes in its own time, wrongly or not at all (reference sheet, sections 4.3 to 4.5).</summary>
public sealed class DeviceTlbTimeTests : IDisposable
{
    private const ulong Address = 0x10_0000;
    private const ulong Frame = 0x20_0000;

    private readonly AtsWorld _world = new();
    private readonly byte[] _bytes = [1, 2, 3, 4, 5, 6, 7, 8];

    private AtsDevice Device => _world.Device;

    public void Dispose() => _world.Dispose();

    [Fact]
    public void A_wait_stands_until_a_late_device_has_answered()
    {
        (Device.Answer, Device.DelayNs) = (AtsAnswer.Late, 5_000);
        _world.Submit(AtsWorld.DevicePages(Address, 0));
        _world.Loop.RunFor(4_999);
        Assert.False(_world.IsDone);
        _world.Loop.RunFor(1);
        Assert.True(_world.IsDone);
        _world.Loop.RunFor(AtsWorld.TimeoutNs);
        Assert.Equal(0u, _world.World.FaultStatus.Raw.Value);
    }

    [Fact]
    public void What_is_behind_the_wait_is_done_meanwhile_unless_there_is_a_fence()
    {
        foreach (bool fence in (bool[])[false, true])
        {
            (Device.Answer, Device.DelayNs) = (AtsAnswer.Late, 5_000);
            ulong before = _world.World.Unit.Statistics.Invalidations;
            ulong head = _world.World.Read(RegisterOffsets.InvalidationQueueHead);
            _world.Submit(AtsWorld.DevicePages(Address, 0), AtsWorld.Wait(1000, fence), AtsWorld.IotlbPages(Address, 0));
            Assert.Equal(before + (fence ? 0ul : 1), _world.World.Unit.Statistics.Invalidations);
            Assert.Equal(head + (fence ? 32ul : 64), _world.World.Read(RegisterOffsets.InvalidationQueueHead));
            Assert.NotEqual(1000u, _world.Status);
            _world.Loop.RunFor(5_000);
            Assert.True(_world.IsDone);
            Assert.Equal(before + 1, _world.World.Unit.Statistics.Invalidations);
        }
    }

    [Fact]
    public void A_device_that_never_answers_times_out_after_its_time_and_the_wait_never_completes()
    {
        Device.Answer = AtsAnswer.Never;
        _world.Submit(AtsWorld.DevicePages(Address, 0));
        _world.Loop.RunFor(AtsWorld.TimeoutNs - 1);
        Assert.Equal(0u, _world.World.FaultStatus.Raw.Value);
        _world.Loop.RunFor(1);
        Assert.Equal(new FaultStatus { InvalidationTimeout = true }, _world.World.FaultStatus);
        Assert.Equal(AtsWorld.Place, _world.World.QueueError.TimeoutSource);
        Assert.False(_world.IsDone);

        // An answer that comes now belongs to nothing; after software has seen it all, the queue goes on.
        Device.Port.CompleteInvalidation(0);
        Assert.Equal(AtsWorld.Place, _world.World.QueueError.CompletionSource);
        Device.Answer = AtsAnswer.Honest;
        _world.Submit(AtsWorld.DevicePages(Address, 0));
        Assert.False(_world.IsDone);
        _world.ClearErrors();
        Assert.True(_world.IsDone);
        Assert.Equal(0u, _world.World.FaultStatus.Raw.Value);
    }

    [Fact]
    public void Of_two_that_time_out_the_first_is_told_and_one_that_is_in_time_keeps_its_wait_no_better()
    {
        Device.Answer = AtsAnswer.Never;
        _world.Submit(AtsWorld.DevicePages(Address, 0));
        _world.Loop.RunFor(AtsWorld.TimeoutNs / 2);
        (Device.Answer, Device.DelayNs) = (AtsAnswer.Late, (uint)(AtsWorld.TimeoutNs * 3 / 4));
        _world.Submit(AtsWorld.DevicePages(Address, 0));
        _world.Loop.RunFor(AtsWorld.TimeoutNs / 2);
        Assert.True(_world.World.FaultStatus.InvalidationTimeout);
        _world.ClearErrors();

        // The second one is still outstanding: what waits now waits for it, too. Its own wait was aborted.
        _world.Submit();
        Assert.False(_world.IsDone);
        _world.Loop.RunFor(AtsWorld.TimeoutNs / 4);
        Assert.True(_world.IsDone);
        Assert.Equal(0u, _world.World.FaultStatus.Raw.Value);
    }

    [Fact]
    public void A_second_completion_is_an_error_that_stops_nothing()
    {
        Device.Answer = AtsAnswer.Twice;
        _world.Submit(AtsWorld.DevicePages(Address, 0));
        Assert.True(_world.IsDone);
        Assert.Equal(new FaultStatus { InvalidationCompletionError = true }, _world.World.FaultStatus);
        Assert.Equal(AtsWorld.Place, _world.World.QueueError.CompletionSource);
    }

    [Fact]
    public void The_completion_comes_when_the_last_transfer_that_uses_the_translation_has_ended()
    {
        _world.Map(Address, Frame);
        AtsPort port = Device.Port;
        Assert.Equal(DmaStatus.Success, port.TryBegin(new(Address), write: true, default, out AtsTransfer first));
        Assert.Equal(DmaStatus.Success, port.TryBegin(new(Address + 64), write: true, default, out AtsTransfer second));
        _world.Map(Address, Frame + 4096);
        _world.Submit(AtsWorld.IotlbPages(Address, 0), AtsWorld.DevicePages(Address, 0));
        Assert.Equal(DmaStatus.Success, port.Write(first, 8, _bytes));
        Assert.Equal(BitConverter.ToUInt64(_bytes), _world.Load(Frame + 8));
        port.End(first);
        Assert.False(_world.IsDone);

        // A new request uses the new page already.
        Assert.Equal(DmaStatus.Success, port.Write(new(Address), _bytes));
        Assert.Equal(BitConverter.ToUInt64(_bytes), _world.Load(Frame + 4096));
        port.End(second);
        Assert.True(_world.IsDone);
        port.End(second);
        Assert.Equal(0u, _world.World.FaultStatus.Raw.Value);
    }

    [Fact]
    public void An_invalidation_of_other_pages_does_not_wait_for_a_transfer()
    {
        _world.Map(Address, Frame);
        _ = Device.Port.TryBegin(new(Address), write: true, default, out AtsTransfer transfer);
        _world.Submit(AtsWorld.DevicePages(Address + 4096, 0));
        Assert.True(_world.IsDone);
        _world.Submit(AtsWorld.DevicePages(Address, 1));
        Assert.False(_world.IsDone);
        Device.Port.End(transfer);
        Assert.True(_world.IsDone);
    }

    [Fact]
    public void Turning_ATS_off_ends_transfers_and_completes_what_waited_for_them()
    {
        _world.Map(Address, Frame);
        _ = Device.Port.TryBegin(new(Address), write: true, default, out AtsTransfer transfer);
        _world.Submit(AtsWorld.DevicePages(Address, 0));
        _world.EnableAts(false);
        Assert.True(_world.IsDone);
        Assert.Equal(DmaStatus.NotMaster, Device.Port.Write(transfer, 0, _bytes));

        // What is sent to a device whose ATS is off is an unsupported message: nobody completes it.
        _world.Submit(AtsWorld.DevicePages(Address, 0));
        _world.Loop.RunFor(AtsWorld.TimeoutNs);
        Assert.True(_world.World.FaultStatus.InvalidationTimeout);
    }

    [Fact]
    public void No_more_invalidations_are_outstanding_than_software_says_the_device_takes()
    {
        (Device.Answer, Device.DelayNs) = (AtsAnswer.Late, 1_000);
        Bits128 one = AtsWorld.DevicePages(Address, 0, pending: 2);
        ulong head = _world.World.Read(RegisterOffsets.InvalidationQueueHead);
        _world.Submit(one, one, one, one, one);
        Assert.Equal(head + 32, _world.World.Read(RegisterOffsets.InvalidationQueueHead));
        _world.Loop.RunFor(1_000);
        Assert.Equal(head + 64, _world.World.Read(RegisterOffsets.InvalidationQueueHead));
        Assert.False(_world.IsDone);
        _world.Loop.RunFor(2_000);
        Assert.True(_world.IsDone);
        Assert.Equal(5ul, Device.Port.Invalidations);
        Assert.Equal(0u, _world.World.FaultStatus.Raw.Value);
    }

    [Fact]
    public void There_are_32_tags_and_64_waits_and_what_is_beyond_stands_in_the_queue()
    {
        (Device.Answer, Device.DelayNs) = (AtsAnswer.Late, 1_000);
        ulong head = _world.World.Read(RegisterOffsets.InvalidationQueueHead);
        _world.Submit([.. Enumerable.Repeat(AtsWorld.DevicePages(Address, 0), 40)]);
        Assert.Equal(head + (32 * 16), _world.World.Read(RegisterOffsets.InvalidationQueueHead));
        _world.Loop.RunFor(2_000);
        Assert.True(_world.IsDone);
        head = _world.World.Read(RegisterOffsets.InvalidationQueueHead);
        _world.Submit([AtsWorld.DevicePages(Address, 0), .. Enumerable.Repeat(AtsWorld.Wait(1000), 70)]);
        Assert.Equal(head + (65 * 16), _world.World.Read(RegisterOffsets.InvalidationQueueHead));
        _world.Loop.RunFor(1_000);
        Assert.True(_world.IsDone);
    }

    [Fact]
    public void A_queue_that_is_switched_off_goes_off_when_devices_have_answered()
    {
        (Device.Answer, Device.DelayNs) = (AtsAnswer.Late, 1_000);
        _world.Submit(AtsWorld.DevicePages(Address, 0));
        _world.World.Command(new() { TranslationEnable = true });
        Assert.True(_world.World.GlobalStatus.QueuedInvalidationEnabled);
        _world.Loop.RunFor(1_000);
        Assert.False(_world.World.GlobalStatus.QueuedInvalidationEnabled);
        Assert.True(_world.IsDone);
        Assert.Equal(0ul, _world.World.Read(RegisterOffsets.InvalidationQueueHead));
    }

    [Fact]
    public void After_a_reset_of_the_unit_an_old_answer_belongs_to_nothing()
    {
        (Device.Answer, Device.DelayNs) = (AtsAnswer.Late, 1_000);
        _world.Submit(AtsWorld.DevicePages(Address, 0));
        _world.World.Unit.Reset();
        _world.Loop.RunFor(AtsWorld.TimeoutNs);
        Assert.Equal(new FaultStatus { InvalidationCompletionError = true }, _world.World.FaultStatus);
        Assert.False(_world.IsDone);
    }

    [Fact]
    public void A_device_that_is_reset_owes_no_completion_and_times_out()
    {
        _world.Map(Address, Frame);
        _ = Device.Port.TryBegin(new(Address), write: true, default, out _);
        _world.Submit(AtsWorld.DevicePages(Address, 0));
        Device.ResetFunction();
        Assert.Equal((0, false, false), (Device.Port.Count, Device.Ats.IsEnabled, _world.IsDone));
        _world.Loop.RunFor(AtsWorld.TimeoutNs);
        Assert.Equal(new FaultStatus { InvalidationTimeout = true }, _world.World.FaultStatus);
    }

    [Fact]
    public void A_completion_in_the_name_of_another_device_completes_nothing()
    {
        Device.Answer = AtsAnswer.Never;
        _world.Submit(AtsWorld.DevicePages(Address, 0));
        _world.World.Unit.Open(new(0, 9, 0)).CompleteInvalidation(0);
        Assert.False(_world.IsDone);
        Assert.Equal(new(0, 9, 0), _world.World.QueueError.CompletionSource);
        Device.Port.CompleteInvalidation(0);
        Assert.True(_world.IsDone);
    }
}
