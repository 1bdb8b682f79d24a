using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A bus that refuses one transaction of the controller, whichever it is.</summary>
public sealed class EhciDmaFaultTests
{
    private const int MicroframeNs = 125_000;

    [Fact]
    public void A_refused_read_stops_the_controller_for_good_whichever_it_is()
    {
        int total = Transactions(out int reads);
        Assert.InRange(reads, 20, total);
        for (int refused = 0; refused < reads; refused++)
        {
            int seen = 0;
            int after = 0;
            bool isOver = false;
            using EhciBench bench = new(wrap: inner => new WatchedFabric(inner, (isWrite, address, length) =>
            {
                if (isOver && !InterruptRange.Contains(address.Value))
                    after++;
                if (isWrite || seen++ != refused)
                    return DmaStatus.None;
                isOver = true;
                return (refused & 1) == 0 ? DmaStatus.Blocked : DmaStatus.Unclaimed;
            }));
            Work(bench);
            Assert.True(isOver);
            Assert.Equal(0, after);
            Assert.True(bench.Status is { HostSystemError: true, Halted: true, AsyncActive: false, PeriodicActive: false });
            Assert.False(bench.UsbCommand.Run);

            // Neither acknowledging the error nor setting run/stop brings it back; a reset does.
            bench.WriteRegister(EhciOperationalOffsets.UsbStatus, 0x3F);
            bench.UsbCommand = bench.UsbCommand with { Run = true };
            bench.Loop.RunFor(10 * MicroframeNs);
            Assert.True(bench.Status.Halted);
            Assert.Equal(0, after);
            bench.UsbCommand = new() { Reset = true };
            bench.UsbCommand = bench.UsbCommand with { Run = true };
            Assert.False(bench.Status.Halted);
        }
    }

    [Theory]
    [InlineData(PostedWriteFault.Silent)]
    [InlineData(PostedWriteFault.HostSystemError)]
    public void A_refused_write_is_silent_unless_the_controller_can_hear_of_it(PostedWriteFault fault)
    {
        int total = Transactions(out int reads);
        for (int refused = 0; refused < total - reads; refused++)
        {
            int seen = 0;
            using EhciBench bench = new(
                new() { PostedWriteFault = fault },
                inner => new WatchedFabric(inner, (isWrite, address, length) => isWrite && seen++ == refused ? DmaStatus.Blocked : DmaStatus.None));
            Work(bench);
            Assert.True(seen > refused);
            Assert.Equal(fault == PostedWriteFault.HostSystemError, bench.Status.HostSystemError);
            Assert.Equal(fault == PostedWriteFault.HostSystemError, bench.Status.Halted);
        }
    }

    [Fact]
    public void A_controller_that_may_not_master_the_bus_stops_at_its_first_fetch()
    {
        using EhciBench bench = new();
        bench.Master(false);
        bench.RunAsync(bench.Take(128));
        bench.Loop.RunFor(MicroframeNs);
        Assert.True(bench.Status is { HostSystemError: true, Halted: true });
    }

    [Fact]
    public void The_host_system_error_interrupts_at_once()
    {
        using EhciBench bench = new(wrap: inner => new WatchedFabric(inner, static (isWrite, address, _) => isWrite ? DmaStatus.None : DmaStatus.Blocked));
        bench.WriteRegister(EhciOperationalOffsets.InterruptEnable, new UsbInterrupts { HostSystemError = true }.Raw.Value);
        Assert.False(bench.Host.IsLineAsserted(0) || bench.Host.IsLineAsserted(1) || bench.Host.IsLineAsserted(2) || bench.Host.IsLineAsserted(3));
        ulong begin = bench.Loop.NowNs;
        bench.RunAsync(bench.Take(128), threshold: 64);
        Assert.True(bench.Loop.RunUntil(() => bench.Host.IsLineAsserted(0) || bench.Host.IsLineAsserted(1) || bench.Host.IsLineAsserted(2) || bench.Host.IsLineAsserted(3), 1_000_000));
        Assert.Equal(begin, bench.Loop.NowNs);
    }

    // How many transactions the work takes when nothing is refused.
    private static int Transactions(out int reads)
    {
        int total = 0;
        int readCount = 0;
        using EhciBench bench = new(wrap: inner => new WatchedFabric(inner, (isWrite, address, length) =>
        {
            total++;
            readCount += isWrite ? 0 : 1;
            return DmaStatus.None;
        }));
        Work(bench);
        Assert.False(bench.Status.HostSystemError);
        reads = readCount;
        return total;
    }

    // A little of everything: a periodic list with a stream, a split stream, a node that spans frames, and interrupt
    // queues at both speeds; and bulk transfers both ways over a page border.
    private static void Work(EhciBench bench)
    {
        int sent = 0;
        ScriptedDevice device = new()
        {
            Address = 1,
            Gives = (token, _) => token.Endpoint switch
            {
                3 => UsbReply.Nak,
                4 => UsbReply.Data(UsbPid.Data0, 200),
                _ => UsbReply.Data((sent++ & 1) != 0, 512),
            },
        };
        bench.Attach(device);
        uint[] queues = [bench.Take(128), bench.Take(128), bench.Take(128), bench.Take(128)];
        uint[] transfers = [bench.Take(64), bench.Take(64), bench.Take(64), bench.Take(64)];
        uint buffer = bench.Take(0x4000, 4096) + 0xF80;
        for (int index = 0; index < 2; index++)
        {
            bench.Write(queues[index], EhciBench.Queue(1, index + 1, 512, queues[1 - index], isHead: index == 0));
            bench.Transfer(transfers[index], index == 0 ? PacketId.In : PacketId.Out, buffer, 1536);
            bench.Start(queues[index], transfers[index]);
        }

        QueueHead interrupt = EhciBench.Queue(1, 3, 8, queues[2], isHead: false, nakReload: 0);
        bench.Write(queues[2], interrupt with { Horizontal = new() { Type = LinkType.QueueHead, Address = queues[3] }, Capabilities = new() { StartMask = 1, Multiplier = 1 } });
        QueueHead slow = SplitBench.Queue(9, 3, 8, EndpointSpeed.Full, start: 1, complete: 0b100);
        bench.Write(queues[3], slow);
        for (int index = 2; index < 4; index++)
        {
            bench.Transfer(transfers[index], index == 2 ? PacketId.In : PacketId.Out, buffer, 8);
            bench.Start(queues[index], transfers[index]);
        }

        LinkPointer link = SpanAndStreams(bench, buffer, new() { Type = LinkType.QueueHead, Address = queues[2] });
        for (uint frame = 0; frame < 1024; frame++)
            bench.Write(EhciBench.FrameList + (4 * frame), link);
        bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, EhciBench.FrameList);
        bench.WriteRegister(EhciOperationalOffsets.AsyncListAddress, queues[0]);
        bench.UsbCommand = new() { Run = true, PeriodicEnable = true, AsyncEnable = true, InterruptThreshold = 1 };
        bench.Loop.RunFor(3 * MicroframeNs);
    }

    private static LinkPointer SpanAndStreams(EhciBench bench, uint buffer, LinkPointer next)
    {
        (uint span, uint split, uint stream) = (bench.Take(64), bench.Take(64), bench.Take(128));
        bench.Write(span, new FrameSpanNode(next, new() { Terminate = true }));
        bench.Write(split, new SplitIsochronousTransferDescriptor
        {
            Next = new() { Type = LinkType.FrameSpan, Address = span },
            Endpoint = new() { DeviceAddress = 9, HubAddress = 5, HubPort = 1 },
            Schedule = new() { StartMask = 0b11 },
            State = new() { Active = true, TotalBytes = 300 },
            Page0 = new(new(buffer)),
            Page1 = new() { Page = (buffer & ~0xFFFu) + 0x1000, TransactionCount = 2, Position = SplitPosition.Begin },
            Back = new() { Terminate = true },
        });
        bench.Write(stream, new IsochronousTransferDescriptor
        {
            Next = new() { Type = LinkType.SplitIsochronousTransfer, Address = split },
            Slot0 = new() { Active = true, Length = 200, Offset = 0xF80 },
            Slot1 = new() { Active = true, Length = 200 },
            Page0 = new() { Page = buffer & ~0xFFFu, DeviceAddress = 1, Endpoint = 4 },
            Page1 = new() { Page = (buffer & ~0xFFFu) + 0x1000, In = true, MaxPacketSize = 200 },
            Page2 = new() { Multiplier = 1 },
        });
        return new() { Type = LinkType.IsochronousTransfer, Address = stream };
    }
}
