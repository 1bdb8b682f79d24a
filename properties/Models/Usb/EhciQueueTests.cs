using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class EhciQueueTests
{
    private const int MicroframeNs = 125_000;

    /// <summary>A bulk transfer as software asks for it, and how the device behaves.</summary>
    public sealed record Job(bool IsIn, int Bytes, int MaxPacket, int Offset, int DeviceBytes, int Seed, bool Toggle);

    private static Gen<Job> Jobs =>
        from isIn in Gen.Elements(false, true)
        from maxPacket in Gen.Elements(8, 64, 512, 1024)
        from bytes in Gen.OneOf(Gen.Choose(0, 3 * maxPacket), Gen.Choose(0, TransferDescriptor.BytesMax - 4095))
        from offset in Gen.Choose(0, 4095)
        from deviceBytes in Gen.OneOf(Gen.Constant(bytes), Gen.Choose(0, bytes))
        from seed in ArbMap.Default.GeneratorFor<int>()
        from toggle in Gen.Elements(false, true)
        select new Job(isIn, bytes, maxPacket, offset, deviceBytes, seed, toggle);

    [Fact]
    public void Bytes_moved_and_bytes_left_make_up_the_transfer_and_the_toggle_counts_the_packets() => Property.Check(
        Jobs,
        job =>
        {
            using EhciBench bench = new();
            Random random = new(job.Seed);
            byte[] content = new byte[job.Bytes];
            random.NextBytes(content);
            int sent = 0;
            int packets = 0;
            bool isShort = false;
            UsbPid last = UsbPid.None;
            ScriptedDevice device = new() { Address = 3 };
            device.Gives = (_, room) =>
            {
                if (random.Next(4) == 0)
                    return UsbReply.Nak;
                int length = Math.Min(Math.Min(job.MaxPacket, job.Bytes - sent), job.DeviceBytes - sent);
                content.AsSpan(sent, length).CopyTo(room.Span);
                isShort = length < Math.Min(job.MaxPacket, job.Bytes - sent);
                sent += length;
                bool toggle = job.Toggle ^ ((packets++ & 1) != 0);
                return UsbReply.Data(toggle, length);
            };
            device.Takes = (_, length) =>
            {
                int answer = random.Next(5);
                if (answer == 0)
                    return UsbReply.Nak;
                packets++;
                sent += length;
                return answer == 1 ? UsbReply.Nyet : UsbReply.Ack;
            };
            device.Pings = () => random.Next(3) == 0 ? UsbReply.Nak : UsbReply.Ack;
            bench.Attach(device);

            uint queue = bench.Take(128);
            uint transfer = bench.Take(64);
            uint buffer = bench.Take(TransferDescriptor.BytesMax, 4096) + (uint)job.Offset;
            if (!job.IsIn)
                bench.WriteBytes(buffer, content);
            QueueHead head = EhciBench.Queue(3, 1, job.MaxPacket, queue);
            bench.Write(queue, head with { Overlay = head.Overlay with { Token = new() { DataToggle = job.Toggle } } });
            bench.Transfer(transfer, job.IsIn ? PacketId.In : PacketId.Out, buffer, job.Bytes, interrupts: true);
            bench.Start(queue, transfer);
            bench.RunAsync(queue);
            TransferToken token = bench.Finish(transfer);

            Assert.False(token.Active || token.Halted || token.TransactionError);
            Assert.Equal(job.Bytes, sent + token.TotalBytes);
            Assert.Equal(job.Toggle ^ ((packets & 1) != 0), token.DataToggle);
            Assert.Equal(job.IsIn ? job.DeviceBytes : job.Bytes, sent);
            Assert.Equal(isShort, token.TotalBytes != 0);
            if (job.IsIn)
                Assert.Equal(content[..sent], bench.ReadBytes(buffer, sent));

            // A NAK or NYET to an OUT leads to PING; no data goes out before the ping is acknowledged.
            foreach ((UsbPid pid, _, UsbPid data, _) in device.Heard)
            {
                Assert.False(last == UsbPid.Ping && pid == UsbPid.Out && data == UsbPid.None);
                last = pid;
            }
        },
        count: 150);

    [Fact]
    public void Nothing_crosses_the_end_of_a_microframe_and_thirteen_bulk_packets_fit_into_one()
    {
        using EhciBench bench = new();
        ScriptedDevice device = new() { Address = 1, Clock = () => bench.Loop.NowNs };
        bool toggle = false;
        device.Gives = (_, _) => UsbReply.Data((toggle = !toggle) == false, 512);
        bench.Attach(device);
        uint queue = bench.Take(128);
        uint first = bench.Chain(PacketId.In, 40, out _);
        bench.Write(queue, EhciBench.Queue(1, 1, 512, queue));
        bench.Start(queue, first);
        ulong begin = bench.Loop.NowNs;
        bench.RunAsync(queue);
        bench.Loop.RunFor((10 * MicroframeNs) - 1);

        ulong[] starts = [.. device.Times.Select(time => time - begin)];
        Assert.All(starts, start => Assert.True((start % MicroframeNs) + WireTime.HighSpeed(512) <= MicroframeNs));
        Assert.All(starts.Zip(starts.Skip(1)), pair => Assert.True(pair.Second >= pair.First + WireTime.HighSpeed(512)));
        Assert.Equal(13 * 10, starts.Length);
    }

    [Fact]
    public void A_list_in_which_everybody_answers_NAK_is_found_empty_in_each_microframe()
    {
        const int Reload = 3;
        using EhciBench bench = new();
        ScriptedDevice device = new() { Address = 1 };
        bench.Attach(device);
        uint[] queues = Ring(bench, 3, Reload);
        bench.RunAsync(queues[0]);
        bench.Loop.RunFor((100 * MicroframeNs) - 1);

        // Each endpoint is asked as often in a microframe as its counter allows, and no more.
        Assert.Equal(3 * Reload * 100, device.Heard.Count);
        Assert.True(bench.Status.AsyncActive);
    }

    [Fact]
    public void Each_counter_of_NAKs_is_used_up_once_in_a_microframe_whatever_the_others_are() => Property.Check(
        from reloads in Gen.ArrayOf(Gen.Choose(1, 15), 6)
        from count in Gen.Choose(1, 6)
        select reloads[..count],
        reloads =>
        {
            const int Microframes = 20;
            using EhciBench bench = new();
            ScriptedDevice device = new() { Address = 1 };
            bench.Attach(device);
            uint[] queues = Ring(bench, reloads.Length, reload: 0);
            for (int index = 0; index < queues.Length; index++)
            {
                QueueHead head = bench.Read<QueueHead>(queues[index]);
                bench.Write(queues[index], head with { Characteristics = head.Characteristics with { NakReload = reloads[index] } });
            }

            bench.RunAsync(queues[0]);
            bench.Loop.RunFor((Microframes * MicroframeNs) - 1);
            Assert.Equal(
                [.. reloads.Select(reload => reload * Microframes)],
                Enumerable.Range(1, reloads.Length).Select(endpoint => device.Heard.Count(heard => heard.Endpoint == endpoint)));
        },
        count: 30);

    [Fact]
    public void A_SETUP_that_is_not_taken_is_an_error()
    {
        foreach (UsbReply answer in (UsbReply[])[UsbReply.Nak, UsbReply.Nyet, UsbReply.Silence])
        {
            using EhciBench bench = new();
            ScriptedDevice device = new() { Address = 1, Takes = (_, _) => answer };
            bench.Attach(device);
            uint queue = bench.Take(128);
            uint transfer = bench.Take(64);
            bench.Write(queue, EhciBench.Queue(1, 0, 64, queue, isControl: true));
            bench.Transfer(transfer, PacketId.Setup, bench.Take(64), 8);
            bench.Start(queue, transfer);
            bench.RunAsync(queue);
            Assert.True(bench.Finish(transfer) is { Halted: true, TransactionError: true, ErrorCount: 0, TotalBytes: 8 });
            Assert.Equal(3, device.Heard.Count);
        }
    }

    [Fact]
    public void Queues_that_are_served_alike_take_turns()
    {
        using EhciBench bench = new();
        ScriptedDevice device = new() { Address = 1 };
        device.Takes = static (_, _) => UsbReply.Ack;
        bench.Attach(device);
        uint[] queues = [bench.Take(128), bench.Take(128)];
        for (int index = 0; index < 2; index++)
        {
            QueueHead head = EhciBench.Queue(1, index + 1, 512, queues[1 - index], isHead: index == 0);
            bench.Write(queues[index], head);
            bench.Start(queues[index], bench.Chain(PacketId.Out, 10, out _));
        }

        bench.RunAsync(queues[0]);
        bench.Loop.RunFor(20 * MicroframeNs);
        int[] order = [.. device.Heard.Select(heard => heard.Endpoint)];
        Assert.True(order.Length > 200);
        Assert.All(order.Zip(order.Skip(1)), pair => Assert.NotEqual(pair.First, pair.Second));
    }

    [Fact]
    public void Park_mode_stays_with_a_queue_for_so_many_more_transactions()
    {
        using EhciBench bench = new();
        ScriptedDevice device = new() { Address = 1 };
        bench.Attach(device);
        uint[] queues = [bench.Take(128), bench.Take(128)];
        for (int index = 0; index < 2; index++)
        {
            bench.Write(queues[index], EhciBench.Queue(1, index + 1, 64, queues[1 - index], isHead: index == 0));
            bench.Start(queues[index], bench.Chain(PacketId.Out, 4, out _));
        }

        bench.WriteRegister(EhciOperationalOffsets.AsyncListAddress, queues[0]);
        bench.UsbCommand = new() { Run = true, AsyncEnable = true, InterruptThreshold = 1, ParkEnable = true, ParkCount = 2 };
        bench.Loop.RunFor(MicroframeNs / 4);
        Assert.Equal([1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2], device.Heard.Select(heard => heard.Endpoint).Take(12));
    }

    [Fact]
    public void After_the_answer_to_the_doorbell_an_unlinked_queue_is_never_read_again() => Property.Check(
        Gen.Choose(0, 2 * MicroframeNs),
        delay =>
        {
            HashSet<ulong> read = [];
            using EhciBench bench = new(wrap: inner => new WatchedFabric(inner, (isWrite, address, length) =>
            {
                if (!isWrite)
                    _ = read.Add(address.Value);
                return DmaStatus.None;
            }));
            ScriptedDevice device = new() { Address = 1 };
            bench.Attach(device);
            uint[] queues = Ring(bench, 4, reload: 2);
            bench.RunAsync(queues[0]);
            bench.Loop.RunFor((uint)delay);

            // Two neighbours leave at once; they still point at each other and into the list.
            QueueHead before = bench.Read<QueueHead>(queues[0]);
            bench.Write(queues[0], before with { Horizontal = new() { Type = LinkType.QueueHead, Address = queues[3] } });
            bench.UsbCommand = bench.UsbCommand with { AsyncAdvanceDoorbell = true };
            Assert.True(bench.Loop.RunUntil(() => bench.Status.AsyncAdvance, 10 * MicroframeNs));
            Assert.False(bench.UsbCommand.AsyncAdvanceDoorbell);

            read.Clear();
            bench.Loop.RunFor(20 * MicroframeNs);
            Assert.Contains(queues[0], read);
            Assert.Contains(queues[3], read);
            Assert.DoesNotContain(queues[1], read);
            Assert.DoesNotContain(queues[2], read);
        },
        count: 60);

    [Fact]
    public void Errors_halt_a_queue_when_the_counter_runs_out_and_a_counter_of_zero_never_does()
    {
        foreach (int allowed in (int[])[0, 1, 2, 3])
        {
            using EhciBench bench = new();
            ScriptedDevice device = new() { Address = 1, Takes = static (_, _) => UsbReply.Silence, Pings = static () => UsbReply.Silence };
            bench.Attach(device);
            uint queue = bench.Take(128);
            uint transfer = bench.Take(64);
            bench.Write(queue, EhciBench.Queue(1, 1, 512, queue));
            bench.Transfer(transfer, PacketId.Out, bench.Take(512), 100);
            TransferDescriptor descriptor = bench.Read<TransferDescriptor>(transfer);
            bench.Write(transfer, descriptor with { Token = descriptor.Token with { ErrorCount = allowed } });
            bench.Start(queue, transfer);
            bench.RunAsync(queue);
            bench.Loop.RunFor(20 * MicroframeNs);
            TransferToken token = bench.Read<QueueHead>(queue).Overlay.Token;
            Assert.True(token.TransactionError);
            Assert.Equal(allowed != 0, token.Halted);
            Assert.Equal(allowed == 0, token.Active);
            Assert.Equal(allowed != 0, bench.Status.ErrorInterrupt);
            if (allowed != 0)
                Assert.Equal(allowed, device.Heard.Count);
            else
                Assert.True(device.Heard.Count > 100);
        }
    }

    [Fact]
    public void A_stall_halts_and_a_device_that_says_too_much_babbles()
    {
        using EhciBench bench = new();
        ScriptedDevice device = new() { Address = 1, Gives = static (_, _) => UsbReply.Stall };
        bench.Attach(device);
        uint queue = bench.Take(128);
        uint transfer = bench.Take(64);
        bench.Write(queue, EhciBench.Queue(1, 1, 512, queue));
        bench.Transfer(transfer, PacketId.In, bench.Take(512), 100);
        bench.Start(queue, transfer);
        bench.RunAsync(queue);
        TransferToken token = bench.Finish(transfer);
        Assert.True(token is { Halted: true, Babble: false, TransactionError: false, TotalBytes: 100 });
        bench.Loop.RunFor(10 * MicroframeNs);
        Assert.Single(device.Heard);
        Assert.True(bench.Status.ErrorInterrupt);

        // Software repairs the overlay; the next transfer meets a packet that is one byte too long.
        device.Gives = static (_, _) => UsbReply.Data(false, 101);
        uint guarded = bench.Take(4096, 4096);
        QueueHead head = bench.Read<QueueHead>(queue);
        bench.Transfer(transfer, PacketId.In, guarded, 100);
        bench.Write(queue, head with { Overlay = head.Overlay with { Next = new() { Address = transfer }, Token = default } });
        token = bench.Finish(transfer);
        Assert.True(token is { Halted: true, Babble: true });
        Assert.Equal(0, device.Acknowledged);
        Assert.Equal(new byte[4096], bench.ReadBytes(guarded, 4096));
    }

    [Fact]
    public void A_packet_that_came_before_is_acknowledged_and_dropped()
    {
        using EhciBench bench = new();
        int asked = 0;
        ScriptedDevice device = new() { Address = 1 };
        device.Gives = (_, room) =>
        {
            room.Span[0] = (byte)(0x10 + asked);
            return UsbReply.Data(asked++ < 3, 8);
        };
        bench.Attach(device);
        uint queue = bench.Take(128);
        uint transfer = bench.Take(64);
        uint buffer = bench.Take(64);
        bench.Write(queue, EhciBench.Queue(1, 1, 8, queue));
        bench.Transfer(transfer, PacketId.In, buffer, 8);
        bench.Start(queue, transfer);
        bench.RunAsync(queue);
        _ = bench.Finish(transfer);
        Assert.Equal((4, 4, 0x13), (asked, device.Acknowledged, bench.ReadBytes(buffer, 1)[0]));
    }

    [Fact]
    public void A_short_packet_takes_the_alternate_path_and_interrupts()
    {
        using EhciBench bench = new();
        ScriptedDevice device = new() { Address = 1 };
        device.Gives = static (_, _) => UsbReply.Data(false, 5);
        bench.Attach(device);
        uint queue = bench.Take(128);
        uint[] transfers = [bench.Take(64), bench.Take(64), bench.Take(64)];
        uint buffer = bench.Take(4096, 4096);
        bench.Write(queue, EhciBench.Queue(1, 1, 8, queue, isControl: true));
        bench.Transfer(transfers[0], PacketId.In, buffer, 64, next: transfers[1], alternate: transfers[2]);
        bench.Transfer(transfers[1], PacketId.In, buffer, 8);
        bench.Transfer(transfers[2], PacketId.Out, buffer, 0, toggle: true);
        bench.Start(queue, transfers[0]);
        bench.RunAsync(queue);
        _ = bench.Finish(transfers[2]);
        Assert.Equal(59, bench.Read<TransferDescriptor>(transfers[0]).Token.TotalBytes);
        Assert.True(bench.Read<TransferDescriptor>(transfers[1]).Token.Active);
        Assert.Equal((UsbPid.Out, UsbPid.Data1), (device.Heard[^1].Token, device.Heard[^1].Data));
        bench.Loop.RunFor(2 * MicroframeNs);
        Assert.True(bench.Status.TransferInterrupt);
    }

    // A ring of queues of endpoints 1, 2, …, each with a transfer that waits for data; the first is the head.
    private static uint[] Ring(EhciBench bench, int count, int reload)
    {
        uint[] queues = [.. Enumerable.Range(0, count).Select(_ => bench.Take(128))];
        for (int index = 0; index < count; index++)
        {
            uint transfer = bench.Take(64);
            bench.Write(queues[index], EhciBench.Queue(1, index + 1, 512, queues[(index + 1) % count], isHead: index == 0, nakReload: reload));
            bench.Transfer(transfer, PacketId.In, bench.Take(512), 512);
            bench.Start(queues[index], transfer);
        }

        return queues;
    }
}
