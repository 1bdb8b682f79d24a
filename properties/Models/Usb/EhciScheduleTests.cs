using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

public sealed class EhciScheduleTests
{
    private const int MicroframeNs = 125_000;
    private const byte Vector = 0x41;

    [Fact]
    public void Periodic_work_comes_first_in_each_microframe_and_only_where_its_mask_says()
    {
        using EhciBench bench = new();
        ScriptedDevice device = new() { Address = 1, Clock = () => bench.Loop.NowNs };
        device.Gives = static (_, _) => UsbReply.Nak;
        bench.Attach(device);
        uint interrupt = Interrupt(bench, endpoint: 1, mask: 0b0010_0100);
        for (uint frame = 0; frame < 1024; frame++)
            bench.Write(EhciBench.FrameList + (4 * frame), new LinkPointer { Type = LinkType.QueueHead, Address = interrupt });
        uint bulk = bench.Take(128);
        uint transfer = bench.Take(64);
        bench.Write(bulk, EhciBench.Queue(1, 2, 512, bulk, nakReload: 0));
        bench.Transfer(transfer, PacketId.In, bench.Take(512), 512);
        bench.Start(bulk, transfer);

        bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, EhciBench.FrameList);
        bench.WriteRegister(EhciOperationalOffsets.AsyncListAddress, bulk);
        ulong begin = bench.Loop.NowNs;
        bench.UsbCommand = new() { Run = true, PeriodicEnable = true, AsyncEnable = true, InterruptThreshold = 1 };
        bench.Loop.RunFor((80 * MicroframeNs) - 1);
        Assert.True(bench.Status is { PeriodicActive: true, AsyncActive: true });

        foreach (IGrouping<ulong, (int Endpoint, ulong Time)> microframe in
            device.Heard.Zip(device.Times, (heard, time) => (heard.Endpoint, time)).GroupBy(packet => (packet.time - begin) / MicroframeNs))
        {
            int[] order = [.. microframe.Select(packet => packet.Endpoint)];
            bool isDue = (int)(microframe.Key % 8) is 2 or 5;
            Assert.Equal(isDue ? 1 : 0, order.Count(endpoint => endpoint == 1));
            if (isDue)
                Assert.Equal(1, order[0]);
            Assert.True(order.Length > 100);
        }
    }

    [Fact]
    public void A_high_bandwidth_endpoint_is_asked_up_to_three_times_in_a_microframe()
    {
        using EhciBench bench = new();
        bool toggle = false;
        ScriptedDevice device = new() { Address = 1, Clock = () => bench.Loop.NowNs };
        device.Gives = (_, _) =>
        {
            toggle = !toggle;
            return UsbReply.Data(!toggle, 1024);
        };
        bench.Attach(device);
        uint interrupt = Interrupt(bench, endpoint: 1, mask: 0b1, maxPacket: 1024, multiplier: 3, bytes: 0x4000);
        StartPeriodic(bench, interrupt);
        ulong begin = bench.Loop.NowNs;
        bench.Loop.RunFor((16 * MicroframeNs) - 1);
        Assert.Equal([3, 3], device.Times.GroupBy(time => (time - begin) / MicroframeNs).Select(group => group.Count()));
    }

    [Fact]
    public void Structures_of_every_kind_are_passed_on_the_way_to_those_behind_them()
    {
        using EhciBench bench = new();
        ScriptedDevice device = new() { Address = 1 };
        bench.Attach(device);
        uint interrupt = Interrupt(bench, endpoint: 1, mask: 0xFF);
        uint split = bench.Take(64);
        uint isochronous = bench.Take(128);
        uint span = bench.Take(32);
        bench.Write(split, new SplitIsochronousTransferDescriptor { Next = new() { Type = LinkType.QueueHead, Address = interrupt } });
        bench.Write(isochronous, new IsochronousTransferDescriptor { Next = new() { Type = LinkType.SplitIsochronousTransfer, Address = split } });
        bench.Write(span, new FrameSpanNode(new() { Type = LinkType.IsochronousTransfer, Address = isochronous }, new() { Terminate = true }));
        StartPeriodic(bench, span, LinkType.FrameSpan);
        bench.Loop.RunFor((8 * MicroframeNs) - 1);
        Assert.Equal(8, device.Heard.Count);
    }

    [Fact]
    public void Shorter_frame_lists_are_walked_round_sooner()
    {
        foreach (FrameListSize size in Enum.GetValues<FrameListSize>())
        {
            int elements = 1024 >> (int)size;
            using EhciBench bench = new();
            ScriptedDevice device = new() { Address = 1, Clock = () => bench.Loop.NowNs };
            bench.Attach(device);
            uint interrupt = Interrupt(bench, endpoint: 1, mask: 1);
            for (uint frame = 0; frame < 1024; frame++)
                bench.Write(EhciBench.FrameList + (4 * frame), frame == 3 ? new LinkPointer { Type = LinkType.QueueHead, Address = interrupt } : new() { Terminate = true });
            bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, EhciBench.FrameList);
            bench.UsbCommand = new() { FrameListSize = size };
            ulong begin = bench.Loop.NowNs;
            bench.UsbCommand = new() { Run = true, PeriodicEnable = true, FrameListSize = size, InterruptThreshold = 8 };
            bench.Loop.RunFor((ulong)(2 * elements * 8 * MicroframeNs));
            Assert.Equal([3, 3 + elements], device.Times.Select(time => (int)((time - begin) / (8 * MicroframeNs))));
            Assert.True(bench.Status.FrameListRollover);
        }
    }

    [Fact]
    public void The_rollover_interrupts_at_the_microframe_at_which_the_list_begins_again()
    {
        using EhciBench bench = new();
        Signal signal = Connect(bench);
        bench.WriteRegister(EhciOperationalOffsets.InterruptEnable, new UsbInterrupts { FrameListRollover = true }.Raw.Value);
        ulong begin = bench.Loop.NowNs;
        bench.UsbCommand = new() { Run = true, InterruptThreshold = 8 };
        Assert.True(bench.Loop.RunUntil(() => signal.IsPending, 2_000_000_000));
        Assert.Equal(1024ul * 8 * MicroframeNs, bench.Loop.NowNs - begin);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(64)]
    public void Interrupts_come_no_more_often_than_the_threshold_allows_and_never_before_the_descriptor(int threshold)
    {
        const int Microframes = 640;
        using EhciBench bench = new();
        Signal signal = Connect(bench);
        ScriptedDevice device = new() { Address = 1 };
        bench.Attach(device);
        uint queue = bench.Take(128);
        uint[] transfers = [.. Enumerable.Range(0, 2000).Select(_ => bench.Take(64))];
        uint buffer = bench.Take(512);
        for (int index = 0; index < transfers.Length; index++)
            bench.Transfer(transfers[index], PacketId.Out, buffer, 512, index + 1 < transfers.Length ? transfers[index + 1] : null, interrupts: true);
        bench.Write(queue, EhciBench.Queue(1, 1, 512, queue));
        bench.Start(queue, transfers[0]);
        bench.WriteRegister(EhciOperationalOffsets.InterruptEnable, new UsbInterrupts { Transfer = true }.Raw.Value);
        ulong begin = bench.Loop.NowNs;
        bench.RunAsync(queue, threshold);
        List<ulong> times = [];
        while (bench.Loop.RunUntil(() => signal.IsPending, begin + (Microframes * MicroframeNs) - bench.Loop.NowNs))
        {
            signal.Clear();
            Assert.True(bench.Status.TransferInterrupt);
            Assert.False(bench.Read<TransferDescriptor>(transfers[times.Count]).Token.Active);
            bench.WriteRegister(EhciOperationalOffsets.UsbStatus, 1);
            times.Add(bench.Loop.NowNs - begin);
        }

        Assert.InRange(times.Count, 1, Microframes / threshold);
        Assert.All(times, time => Assert.Equal(0ul, time % (ulong)(threshold * MicroframeNs)));
    }

    [Fact]
    public void Frames_without_work_are_passed_over_and_software_cannot_tell()
    {
        List<(ulong Events, string Seen)> runs = [];
        foreach (bool ahead in (bool[])[false, true])
        {
            using EhciBench bench = new(new() { CachesWholeFrame = ahead });
            Assert.Equal(ahead ? 0x6887u : 0x6817u, (uint)bench.Controller.ReadBar(0, 8, 4));
            Signal signal = Connect(bench);
            ScriptedDevice device = new() { Address = 1, Clock = () => bench.Loop.NowNs };
            bench.Attach(device);
            uint interrupt = Interrupt(bench, endpoint: 1, mask: 0b10);
            uint bulk = bench.Take(128);
            bench.Write(bulk, EhciBench.Queue(1, 2, 512, bulk));
            for (uint frame = 0; frame < 1024; frame++)
                bench.Write(EhciBench.FrameList + (4 * frame), frame % 256 == 7 ? new LinkPointer { Type = LinkType.QueueHead, Address = interrupt } : new() { Terminate = true });
            bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, EhciBench.FrameList);
            bench.WriteRegister(EhciOperationalOffsets.AsyncListAddress, bulk);
            bench.WriteRegister(EhciOperationalOffsets.InterruptEnable, new UsbInterrupts { FrameListRollover = true }.Raw.Value);
            ulong events = bench.Loop.EventsRun;
            ulong begin = bench.Loop.NowNs;
            bench.UsbCommand = new() { Run = true, PeriodicEnable = true, InterruptThreshold = 8 };
            List<string> seen = [];
            foreach (int microframes in (int[])[3, 100, 5000, 2500, 900, 1])
            {
                bench.Loop.RunFor((ulong)(microframes * MicroframeNs) + 7);
                seen.Add($"{bench.Status} {bench.ReadRegister(EhciOperationalOffsets.FrameIndex)} {signal.IsPending}");
                signal.Clear();

                // The other schedule is on for a while in between.
                bench.UsbCommand = bench.UsbCommand with { AsyncEnable = microframes is 100 };
            }

            seen.AddRange(device.Times.Select(time => $"{time - begin}"));
            runs.Add((bench.Loop.EventsRun - events, string.Join(' ', seen)));
        }

        Assert.Equal(runs[0].Seen, runs[1].Seen);
        Assert.True(runs[1].Events < runs[0].Events, $"{runs[1].Events} of {runs[0].Events} events");
    }

    [Fact]
    public void A_periodic_schedule_waits_for_a_frame_and_an_asynchronous_one_for_a_microframe()
    {
        using EhciBench bench = new();
        for (uint frame = 0; frame < 1024; frame++)
            bench.Write(EhciBench.FrameList + (4 * frame), new LinkPointer { Terminate = true });
        uint queue = bench.Take(128);
        bench.Write(queue, EhciBench.Queue(1, 1, 512, queue));
        bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, EhciBench.FrameList);
        bench.WriteRegister(EhciOperationalOffsets.AsyncListAddress, queue);
        bench.UsbCommand = new() { Run = true, InterruptThreshold = 1 };
        bench.Loop.RunFor((3 * MicroframeNs) + 10);
        bench.UsbCommand = bench.UsbCommand with { PeriodicEnable = true, AsyncEnable = true };
        bench.Loop.RunFor(MicroframeNs);
        Assert.True(bench.Status is { PeriodicActive: false, AsyncActive: true });
        bench.Loop.RunFor(4 * MicroframeNs);
        Assert.True(bench.Status.PeriodicActive);
        bench.UsbCommand = bench.UsbCommand with { PeriodicEnable = false, AsyncEnable = false };
        bench.Loop.RunFor(MicroframeNs);
        Assert.True(bench.Status is { PeriodicActive: true, AsyncActive: false });
        bench.Loop.RunFor(8 * MicroframeNs);
        Assert.False(bench.Status.PeriodicActive);
    }

    private static uint Interrupt(EhciBench bench, int endpoint, byte mask, int maxPacket = 8, int multiplier = 1, int bytes = 8)
    {
        uint queue = bench.Take(128);
        uint transfer = bench.Take(64);
        QueueHead head = EhciBench.Queue(1, endpoint, maxPacket, queue, isHead: false, nakReload: 0);
        bench.Write(queue, head with
        {
            Horizontal = new() { Terminate = true },
            Capabilities = new() { StartMask = mask, Multiplier = multiplier },
        });
        bench.Transfer(transfer, PacketId.In, bench.Take(bytes, 4096), bytes);
        bench.Start(queue, transfer);
        return queue;
    }

    private static void StartPeriodic(EhciBench bench, uint first, LinkType type = LinkType.QueueHead)
    {
        for (uint frame = 0; frame < 1024; frame++)
            bench.Write(EhciBench.FrameList + (4 * frame), new LinkPointer { Type = type, Address = first });
        bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, EhciBench.FrameList);
        bench.UsbCommand = new() { Run = true, PeriodicEnable = true, InterruptThreshold = 1 };
    }

    // Sets up MSI as a driver would, by walking the capability list.
    private static Signal Connect(EhciBench bench)
    {
        ConfigurationSpace configuration = bench.Controller.Configuration;
        int at = (int)configuration.Read(0x34, 1);
        while (configuration.Read(at, 1) != (uint)PciCapabilityId.Msi)
            at = (int)configuration.Read(at + 1, 1);
        MessageInterrupt message = MessageInterrupt.To(0, Vector);
        configuration.Write(at + 4, 4, (uint)message.Address);
        configuration.Write(at + 8, 4, 0);
        configuration.Write(at + 12, 2, message.Data);
        configuration.Write(at + 2, 2, 1);
        return bench.Router.Connect(0, Vector);
    }
}
