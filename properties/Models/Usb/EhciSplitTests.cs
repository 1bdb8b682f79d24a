using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Queue heads of devices behind a hub: control, bulk and interrupt transfers by split transactions.</summary>
public sealed class EhciSplitTests
{
    private const byte Completes = 0b0001_1100;

    [Fact]
    public void A_slow_disk_behind_hubs_of_every_depth_is_enumerated_by_control_transfers()
    {
        foreach (int tiers in (int[])[1, 2, 5])
        {
            using SplitBench split = new();
            byte hubAddress = SplitBench.HubAddress;
            UsbHub last = split.Hub;
            for (int tier = 1; tier < tiers; tier++)
            {
                UsbHub next = new(split.Bench.Loop);
                AttachBelow(split, last, hubAddress, next);
                split.Host.At(0, () => split.Host.Control(new() { Request = (byte)StandardRequest.SetAddress, Value = (ushort)(SplitBench.HubAddress + tier) }));
                (last, hubAddress) = (next, (byte)(SplitBench.HubAddress + tier));
                Assert.NotNull(split.Host.At(hubAddress, () => split.Host.Control(new() { Request = (byte)StandardRequest.SetConfiguration, Value = 1 })));
            }

            AttachBelow(split, last, hubAddress, new MassStorageDevice(new MemoryDiskImage(new byte[512]), speed: UsbSpeed.Full));
            SetupPacket setup = new() { In = true, Request = (byte)StandardRequest.GetDescriptor, Value = 0x100, Length = 18 };
            byte[] descriptor = split.Control(hubAddress, 0, setup);
            Assert.Equal((18, 1), (descriptor.Length, descriptor[1]));
            _ = split.Control(hubAddress, 0, new() { Request = (byte)StandardRequest.SetAddress, Value = 33 });
            _ = split.Control(hubAddress, 33, new() { Request = (byte)StandardRequest.SetConfiguration, Value = 1 });
            Assert.Equal([1], split.Control(hubAddress, 33, new() { In = true, Request = (byte)StandardRequest.GetConfiguration, Length = 1 }));

            // What the device refuses halts the queue.
            Assert.Empty(split.Control(hubAddress, 33, new() { In = true, Request = 99, Length = 1 }));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void An_interrupt_endpoint_is_asked_where_its_masks_say_and_its_toggles_alternate(int microframe)
    {
        using SplitBench split = new();
        int given = 0;
        bool isReady = false;
        ScriptedDevice device = new() { Address = 9, Speed = UsbSpeed.Low, Clock = () => split.Bench.Loop.NowNs };
        device.Gives = (_, room) =>
        {
            if (!(isReady = !isReady))
                return UsbReply.Nak;
            room.Span[..8].Fill((byte)(0x40 + given));
            return UsbReply.Data((given++ & 1) != 0, 8);
        };
        split.Attach(device);
        QueueHead head = SplitBench.Queue(9, 1, 8, EndpointSpeed.Low, start: (byte)(1 << microframe), complete: (byte)(Completes << microframe));
        (uint queue, uint transfer, uint buffer) = split.Interrupt(head, PacketId.In, 32);
        split.LinkEvery(2, 0, LinkType.QueueHead, queue);
        split.Run();
        split.RunTo(8 * 16);
        TransferToken token = split.Bench.Read<TransferDescriptor>(transfer).Token;
        Assert.True(token is { Active: false, Halted: false, TotalBytes: 0, DataToggle: false }, $"{token}");
        Assert.Equal([.. Enumerable.Range(0, 4).SelectMany(packet => Enumerable.Repeat((byte)(0x40 + packet), 8))], split.Bench.ReadBytes(buffer, 32));
        Assert.Equal(
            [.. Enumerable.Range(0, 7).Select(turn => (ulong)((16 * turn) + microframe + 1))],
            device.Times.Select(time => (time - split.BeganNs) / SplitBench.MicroframeNs));
        Assert.True(split.Bench.Status.TransferInterrupt && !split.Bench.Status.ErrorInterrupt);
    }

    [Fact]
    public void What_the_translator_answers_decides_how_the_split_ends()
    {
        (UsbReply Answer, Func<TransferToken, bool> IsRight)[] table =
        [
            (UsbReply.Stall, token => token is { Halted: true, Active: false, ErrorCount: 3, TransactionError: false }),
            (UsbReply.Silence, token => token is { Halted: true, Active: false, ErrorCount: 0, Ping: true, TransactionError: false }),
            (UsbReply.Data(UsbPid.Data0, 9), token => token is { Halted: true, Ping: true, Babble: false }),
            (UsbReply.Nak, token => token is { Halted: false, Active: true, ErrorCount: 3, SplitTransactionState: false }),
            (UsbReply.Data(UsbPid.Data1, 8), token => token is { Halted: false, Active: true, TotalBytes: 8 }),
        ];
        foreach ((UsbReply answer, Func<TransferToken, bool> isRight) in table)
        {
            using SplitBench split = new();
            ScriptedDevice device = new() { Address = 9, Speed = UsbSpeed.Low, Gives = (_, _) => answer };
            split.Attach(device);
            (uint queue, _, _) = split.Interrupt(SplitBench.Queue(9, 1, 8, EndpointSpeed.Low, start: 1, complete: Completes), PacketId.In, 8);
            split.LinkEvery(1, 0, LinkType.QueueHead, queue);
            split.Run();
            split.RunTo(8 * 5);
            TransferToken token = split.Bench.Read<QueueHead>(queue).Overlay.Token;
            Assert.True(isRight(token), $"{answer}: {token}");
            Assert.Equal(token.Halted, split.Bench.Status.ErrorInterrupt);
            Assert.Equal(token.Halted ? answer.Pid == UsbPid.Stall ? 1 : 3 : 5, device.Heard.Count);
        }
    }

    [Fact]
    public void More_data_than_the_queue_asks_for_is_babble()
    {
        using SplitBench split = new();
        split.Attach(new ScriptedDevice { Address = 9, Speed = UsbSpeed.Full, Gives = static (_, _) => UsbReply.Data(UsbPid.Data0, 20) });
        (uint queue, _, uint buffer) = split.Interrupt(SplitBench.Queue(9, 1, 16, EndpointSpeed.Full, start: 1, complete: Completes), PacketId.In, 8);
        split.LinkEvery(1, 0, LinkType.QueueHead, queue);
        split.Run();
        split.RunTo(8);
        Assert.True(split.Bench.Read<QueueHead>(queue).Overlay.Token is { Halted: true, Babble: true, TotalBytes: 8 });
        Assert.Equal(new byte[64], split.Bench.ReadBytes(buffer, 64));
    }

    [Fact]
    public void A_translator_that_never_began_is_told_by_the_last_complete_split()
    {
        using SplitBench split = new();
        ScriptedDevice device = new() { Address = 9, Speed = UsbSpeed.Full };
        split.Attach(device);
        Assert.NotNull(split.Host.Control(HubBench.Request(HubRequest.StopTt, 0, 1)));
        (uint queue, _, _) = split.Interrupt(SplitBench.Queue(9, 1, 8, EndpointSpeed.Full, start: 1, complete: Completes), PacketId.In, 8);
        split.LinkEvery(1, 0, LinkType.QueueHead, queue);
        split.Run();
        for (int frame = 0; frame < 3; frame++)
        {
            split.RunTo((ulong)(8 * frame) + 4);
            TransferToken before = split.Bench.Read<QueueHead>(queue).Overlay.Token;
            Assert.True(before is { Active: true, SplitTransactionState: true } && before.ErrorCount == 3 - frame);
            split.RunTo((ulong)(8 * frame) + 5);
            TransferToken after = split.Bench.Read<QueueHead>(queue).Overlay.Token;
            Assert.True(after is { SplitTransactionState: false, TransactionError: true } && after.ErrorCount == 2 - frame);
            Assert.Equal(frame == 2, after.Halted);
        }

        Assert.Empty(device.Heard);
    }

    [Fact]
    public void A_hub_that_is_gone_halts_a_queue_at_the_last_of_its_errors()
    {
        foreach (bool isPeriodic in (bool[])[false, true])
        {
            using SplitBench split = new();
            split.Attach(new ScriptedDevice { Address = 9, Speed = UsbSpeed.Full });
            QueueHead head = SplitBench.Queue(9, 1, 8, EndpointSpeed.Full, start: (byte)(isPeriodic ? 1 : 0), complete: (byte)(isPeriodic ? Completes : 0));
            (uint queue, uint transfer, _) = split.Interrupt(head, PacketId.In, 8);
            uint ring = isPeriodic ? 0 : split.Ring(head, transfer);
            if (isPeriodic)
                split.LinkEvery(1, 0, LinkType.QueueHead, queue);
            _ = split.Bench.Controller.Usb.Ports[0].Unplug();
            split.Run(ring);
            split.RunTo(8);
            TransferToken token = split.Bench.Read<QueueHead>(isPeriodic ? queue : ring).Overlay.Token;
            Assert.True(token is { Halted: true, TransactionError: true, ErrorCount: 0 }, $"{token}");
            Assert.True(split.Bench.Status.ErrorInterrupt);
        }
    }

    /// <summary>The table of the manual: A, a complete-split is scheduled; B, the frame is right; C, none was left out; D, a start-split is scheduled.</summary>
    [Theory]
    [InlineData(2, 0, 0b000, true, false)]
    [InlineData(3, 0, 0b000, false, true)]
    [InlineData(3, 0, 0b0100, true, false)]
    [InlineData(2, 7, 0b000, false, true)]
    [InlineData(2, 0, 0b0100, false, true)]
    [InlineData(0, 0, 0b000, false, true)]
    [InlineData(1, 0, 0b000, false, false)]
    public void A_complete_split_that_was_missed_halts_an_IN_and_repeats_an_OUT(int microframe, int frameTag, byte progress, bool isAsked, bool isMissed)
    {
        foreach (PacketId pid in (PacketId[])[PacketId.In, PacketId.Out])
        {
            using SplitBench split = new();
            ScriptedDevice device = new() { Address = 9, Speed = UsbSpeed.Full };
            split.Attach(device);
            (uint queue, _, _) = split.Interrupt(SplitBench.Queue(9, 1, 8, EndpointSpeed.Full, start: 1, complete: Completes), pid, 8);
            QueueHead head = split.Bench.Read<QueueHead>(queue);
            split.Bench.Write(queue, head with
            {
                Overlay = head.Overlay with
                {
                    Token = new() { Active = true, PacketId = pid, ErrorCount = 3, TotalBytes = 8, SplitTransactionState = true },
                    Page1 = new() { CompleteSplitProgress = progress },
                    Page2 = new() { FrameTag = frameTag },
                },
            });

            // The controller begins in the microframe of the case; nothing was started, so an answer is NYET.
            split.LinkEvery(1, 0, LinkType.QueueHead, queue);
            split.Bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, EhciBench.FrameList);
            Start(split, microframe);
            split.Bench.Loop.RunFor(1000);
            QueueHead after = split.Bench.Read<QueueHead>(queue);
            TransferToken token = after.Overlay.Token;
            Assert.Equal(isAsked, after.Overlay.Page1.CompleteSplitProgress != progress);
            Assert.Equal(isMissed, token.MissedMicroframe);
            Assert.Equal(isMissed && pid == PacketId.In, token.Halted);
            Assert.Equal(!isMissed, token.SplitTransactionState);
            Assert.Equal(3, token.ErrorCount);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Splits_that_are_started_late_are_completed_in_the_next_frame_over_a_frame_span_node_through_a_merge_engine_too(bool isMerged)
    {
        foreach (int microframe in (int[])[5, 6, 7])
        {
            using SplitBench split = new(isMerged: isMerged);
            int given = 0;
            ScriptedDevice device = new() { Address = 9, Speed = UsbSpeed.Full, Clock = () => split.Bench.Loop.NowNs };
            device.Gives = (token, room) =>
            {
                if (token.Endpoint != 1)
                    return UsbReply.Nak;
                room.Span[0] = (byte)(0x70 + given);
                return UsbReply.Data((given++ & 1) != 0, 1);
            };
            split.Attach(device);
            int completes = Completes << microframe;
            byte mask = (byte)(completes | (completes >> 8));
            (uint queue, uint transfer, uint buffer) = split.Interrupt(SplitBench.Queue(9, 1, 1, EndpointSpeed.Full, start: (byte)(1 << microframe), complete: mask), PacketId.In, 4);
            uint restore = split.Bench.Take(32);
            uint save = split.Bench.Take(32);
            uint plain = Plain(split);
            uint stream = split.Stream(split.Bench.Take(64), 8, isIn: true, start: 0xFF, complete: 0);

            // Even frames: the queue head, and behind it the node that ends a path back. Odd frames lead back into it;
            // on that way a stream and a queue that was not started are passed by.
            split.Bench.Write(queue, split.Bench.Read<QueueHead>(queue) with { Horizontal = new() { Type = LinkType.QueueHead, Address = plain } });
            split.Bench.Write(plain, split.Bench.Read<QueueHead>(plain) with { Horizontal = new() { Type = LinkType.SplitIsochronousTransfer, Address = stream } });
            split.Bench.Write(stream, split.Bench.Read<SplitIsochronousTransferDescriptor>(stream) with { Next = new() { Type = LinkType.FrameSpan, Address = restore } });
            split.Bench.Write(restore, new FrameSpanNode(new() { Terminate = true }, new() { Terminate = true }));
            split.Bench.Write(save, new FrameSpanNode(new() { Terminate = true }, new() { Type = LinkType.QueueHead, Address = queue }));
            split.LinkEvery(2, 0, LinkType.QueueHead, queue);
            split.LinkEvery(2, 1, LinkType.FrameSpan, save);
            split.Run();
            split.RunTo(8 * 8);
            Assert.True(split.Bench.Read<TransferDescriptor>(transfer).Token is { Active: false, Halted: false, TotalBytes: 0 }, $"{microframe}: {split.Bench.Read<QueueHead>(queue)}");
            Assert.Equal([0x70, 0x71, 0x72, 0x73], split.Bench.ReadBytes(buffer, 4));
            (int Endpoint, ulong Microframe)[] heard = [.. device.Heard.Zip(device.Times, (what, time) => (what.Endpoint, (time - split.BeganNs) / SplitBench.MicroframeNs))];
            Assert.Equal(
                [.. Enumerable.Range(0, 4).Select(turn => (ulong)((16 * turn) + microframe + 1))],
                heard.Where(packet => packet.Endpoint == 1).Select(packet => packet.Microframe));

            // Passed on the way back, they are not executed; on their own way they are.
            Assert.All(heard.Where(packet => packet.Endpoint is 2 or 4), packet => Assert.True((packet.Microframe - 1) / 8 % 2 == 0, $"{packet}"));
            Assert.Contains(heard, packet => packet.Endpoint == 2);
        }
    }

    [Fact]
    public void A_queue_that_shall_be_moved_stops_before_its_next_start_split()
    {
        using SplitBench split = new();
        ScriptedDevice device = new() { Address = 9, Speed = UsbSpeed.Full };
        split.Attach(device);
        (uint queue, uint transfer, _) = split.Interrupt(SplitBench.Queue(9, 1, 8, EndpointSpeed.Full, start: 1, complete: Completes), PacketId.In, 8);
        split.LinkEvery(1, 0, LinkType.QueueHead, queue);
        split.Run();
        split.RunTo(8 + 2);
        QueueHead head = split.Bench.Read<QueueHead>(queue);
        Assert.True(head.Overlay.Token is { Active: true, SplitTransactionState: true });
        split.Bench.Write(queue, head with { Characteristics = head.Characteristics with { InactivateOnNext = true } });
        split.RunTo(16);
        Assert.True(split.Bench.Read<QueueHead>(queue).Overlay.Token is { Active: true, SplitTransactionState: false });
        split.RunTo(24);
        Assert.True(split.Bench.Read<QueueHead>(queue).Overlay.Token is { Active: false, Halted: false });
        Assert.True(split.Bench.Read<TransferDescriptor>(transfer).Token.Active);
        split.RunTo(40);
        Assert.Equal(2, device.Heard.Count);
    }

    private static void AttachBelow(SplitBench split, UsbHub hub, byte address, IUsbDevice device) => split.Host.At(address, () =>
    {
        Assert.NotNull(split.Host.Control(HubBench.Request(StandardRequest.SetFeature, (ushort)PortFeature.Power, 1)));
        hub.Downstream[0].Plug(device);
        split.Bench.Loop.RunFor(50_000_000);
        Assert.NotNull(split.Host.Control(HubBench.Request(StandardRequest.SetFeature, (ushort)PortFeature.Reset, 1)));
        split.Bench.Loop.RunFor(20_000_000);
        Assert.True(hub.StatusOf(1).Enabled);
        return true;
    });

    // A queue head of endpoint 2 that is asked in each microframe of its frames.
    private static uint Plain(SplitBench split) =>
        split.Interrupt(SplitBench.Queue(9, 2, 1, EndpointSpeed.Full, start: 1, complete: Completes), PacketId.In, 100).Queue;

    // Begins to run in some microframe of the first frame; the periodic schedule begins with a frame, so it gets one before.
    private static void Start(SplitBench split, int microframe)
    {
        EhciBench bench = split.Bench;
        if (microframe == 0)
        {
            bench.UsbCommand = new() { Run = true, PeriodicEnable = true, InterruptThreshold = 1 };
            return;
        }

        // The element of the frame is empty until the microframe comes.
        LinkPointer link = bench.Read<LinkPointer>(EhciBench.FrameList);
        split.Link(0, new() { Terminate = true });
        bench.UsbCommand = new() { Run = true, PeriodicEnable = true, InterruptThreshold = 1 };
        bench.Loop.RunFor((ulong)(microframe * SplitBench.MicroframeNs) - 1000);
        split.Link(0, link);
        bench.Loop.RunFor(1000);
    }
}
