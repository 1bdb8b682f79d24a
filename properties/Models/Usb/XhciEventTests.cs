using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Event rings and interrupters: nothing is overwritten, and nobody is interrupted more often than wanted.</summary>
public sealed class XhciEventTests
{
    private const int RingTrbs = 16;

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void A_full_ring_says_so_keeps_what_it_has_and_goes_on_later(int segments)
    {
        using XhciBench bench = new();
        bench.Start(RingTrbs, segments);
        int capacity = (RingTrbs * segments) - 1;
        List<ulong> given = [.. Enumerable.Range(0, 60).Select(_ => bench.Commands.Add(new(new NoOpTrb { Type = TrbType.NoOpCommand }.Raw)))];
        bench.Doorbell(0, 0);
        bench.Loop.RunFor(5_000_000);
        List<Trb> first = bench.Drain(tells: false);
        Assert.Equal(capacity, first.Count);
        Assert.Equal((TrbType.HostController, CompletionCode.EventRingFull), (first[^1].Type, new HostControllerEvent(first[^1].Raw).Code));
        bench.Loop.RunFor(5_000_000);
        Assert.Empty(bench.Drain());
        for (int round = 0; round < 10; round++)
        {
            bench.Loop.RunFor(5_000_000);
            _ = bench.Drain();
        }

        // Each command once, in order, none lost.
        Assert.Equal(given, XhciTrbs.Completions(bench.Events).Select(done => done.Pointer));
        Assert.Equal(0ul, bench.Controller.Statistics.EventsLost);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4000)]
    [InlineData(160)]
    public void Interrupts_come_at_most_once_in_an_interval_and_not_while_the_handler_is_busy(int interval)
    {
        using XhciBench bench = new();
        bench.Start();
        bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Moderation), (ulong)interval);
        List<ulong> signalled = [];
        ulong before = bench.Controller.Statistics.Interrupts;
        for (int step = 0; step < 400; step++)
        {
            _ = bench.Commands.Add(new(new NoOpTrb { Type = TrbType.NoOpCommand }.Raw));
            bench.Doorbell(0, 0);
            bench.Loop.RunFor(10_000);
            if (bench.Controller.Statistics.Interrupts == before)
                continue;
            Assert.Equal(before + 1, bench.Controller.Statistics.Interrupts);
            before++;
            signalled.Add(bench.Loop.NowNs);

            // Busy: nothing more until the handler says so.
            for (int quiet = 0; quiet < 3; quiet++)
            {
                _ = bench.Commands.Add(new(new NoOpTrb { Type = TrbType.NoOpCommand }.Raw));
                bench.Doorbell(0, 0);
                bench.Loop.RunFor(5_000);
            }

            Assert.Equal(before, bench.Controller.Statistics.Interrupts);
            bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Management), 3);
            _ = bench.Drain();
            before = bench.Controller.Statistics.Interrupts;
        }

        Assert.InRange(signalled.Count, 2, 400);
        Assert.All(signalled.Zip(signalled.Skip(1)), pair => Assert.True(pair.Second - pair.First + 10_000 >= (ulong)interval * 250));
    }

    [Fact]
    public void The_interval_between_messages_counts_from_the_message_even_where_it_was_held_back()
    {
        const int IntervalNs = 4000 * 250;
        using XhciBench bench = new();
        bench.Start();
        MsixCapability msix = bench.Controller.Capabilities.OfType<MsixCapability>().Single();
        bench.Controller.Configuration.Write(msix.Offset + 2, 2, 0x8000);
        bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Moderation), IntervalNs / 250);
        bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Management), 0);
        _ = bench.Commands.Add(new(new NoOpTrb { Type = TrbType.NoOpCommand }.Raw));
        bench.Doorbell(0, 0);
        bench.Loop.RunFor(5 * IntervalNs);
        bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Management), 2);
        _ = bench.Drain();
        ulong before = bench.Controller.Statistics.Interrupts;
        _ = bench.Commands.Add(new(new NoOpTrb { Type = TrbType.NoOpCommand }.Raw));
        bench.Doorbell(0, 0);
        bench.Loop.RunFor(IntervalNs / 2);
        Assert.Equal(before, bench.Controller.Statistics.Interrupts);
        bench.Loop.RunFor(IntervalNs);
        Assert.Equal(before + 1, bench.Controller.Statistics.Interrupts);
    }

    [Fact]
    public void Each_interrupter_has_its_own_message()
    {
        using XhciBench bench = new();
        bench.Start();
        MsixCapability msix = bench.Controller.Capabilities.OfType<MsixCapability>().Single();
        bench.Controller.Configuration.Write(msix.Offset + 2, 2, 0x8000);
        bench.GiveEventRing(2);
        bench.WriteRuntime(XhciBench.Interrupter(2, XhciRuntimeOffsets.Management), 2);
        bench.WriteRuntime(XhciBench.Interrupter(2, XhciRuntimeOffsets.Moderation), 0);
        XhciTestDevice device = new();
        (int slot, _, XhciTestRing ring, _) = bench.Bulk(device, 1);
        ulong before = bench.Controller.Statistics.Interrupts;
        _ = bench.Drain();
        ulong at = ring.Add(XhciTrbs.Normal(bench.Take(16), 16, interrupter: 2));
        bench.Doorbell(slot, 2);
        bench.Loop.RunFor(1_000_000);
        Assert.Equal(at, XhciTrbs.Transfers(bench.Drain(2))[0].Pointer);
        Assert.Empty(bench.Drain(0));
        Assert.Equal(before + 1, bench.Controller.Statistics.Interrupts);

        // The message took the pending bit with it.
        Assert.False(new InterrupterManagement(new((uint)bench.ReadRuntime(XhciBench.Interrupter(2, XhciRuntimeOffsets.Management)))).Pending);
    }

    [Fact]
    public void An_event_that_blocks_its_interrupt_is_there_all_the_same()
    {
        using XhciBench bench = new();
        bench.Start();
        (int slot, _, XhciTestRing ring, _) = bench.Bulk(new XhciTestDevice(), 1);
        bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Management), 3);
        _ = bench.Drain();
        ulong before = bench.Controller.Statistics.Interrupts;
        _ = ring.Add(new(new NormalTrb { Type = TrbType.Normal, Buffer = bench.Take(16), Length = 16, InterruptOnCompletion = true, BlockInterrupt = true }.Raw));
        bench.Doorbell(slot, 2);
        bench.Loop.RunFor(1_000_000);
        Assert.Equal(before, bench.Controller.Statistics.Interrupts);
        _ = Assert.Single(bench.Drain());
    }

    [Fact]
    public void A_pointer_outside_the_ring_is_an_error_of_the_controller()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.WriteRuntime(XhciBench.Interrupter(0, XhciRuntimeOffsets.Dequeue), 0x40, 8);
        _ = bench.Commands.Add(new(new NoOpTrb { Type = TrbType.NoOpCommand }.Raw));
        bench.Doorbell(0, 0);
        bench.Loop.RunFor(100_000);
        Assert.True(bench.Status is { ControllerError: true, Halted: true });
        bench.Run(true);
        Assert.True(bench.Status.Halted);
        bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { Reset = true }.Raw.Value);
        Assert.False(bench.Status.ControllerError);
        bench.Run(true);
        Assert.False(bench.Status.Halted);
    }

    [Fact]
    public void The_index_runs_with_the_controller_and_its_wrap_is_told()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { Run = true, WrapEventEnable = true }.Raw.Value);
        bench.Loop.RunFor(1_000_000);
        Assert.Equal(8, new XhciMicroframeIndex(new((uint)bench.ReadRuntime(0))).Value);
        bench.Loop.RunFor(2_047_000_000);
        Assert.Equal(0, new XhciMicroframeIndex(new((uint)bench.ReadRuntime(0))).Value);
        Assert.Equal(TrbType.MicroframeWrap, Assert.Single(bench.Drain()).Type);
    }

    [Fact]
    public void Notifications_pass_where_their_bit_lets_them()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Attach(new XhciTestDevice { Speed = UsbSpeed.Super }, 5);
        (int slot, _) = bench.Address(5);
        _ = bench.Drain();
        bench.Controller.NotifyFromDevice(slot, 1, 0x55);
        Assert.Empty(bench.Drain());
        bench.WriteRegister(XhciOperationalOffsets.NotificationControl, 2);
        bench.Controller.NotifyFromDevice(slot, 1, 0x55);
        DeviceNotificationEvent told = new(Assert.Single(bench.Drain()).Raw);
        Assert.Equal((TrbType.DeviceNotification, 1, 0x55ul, (byte)slot), (told.Type, told.Notification, told.Data, told.Slot));
    }
}
