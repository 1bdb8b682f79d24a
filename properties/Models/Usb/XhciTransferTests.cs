using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Transfer rings: what is moved, what software hears of it, and how endpoints fail and recover.</summary>
public sealed class XhciTransferTests
{
    [Theory]
    [InlineData(UsbSpeed.Low, 1, 8)]
    [InlineData(UsbSpeed.Full, 1, 64)]
    [InlineData(UsbSpeed.High, 1, 64)]
    [InlineData(UsbSpeed.Super, 5, 512)]
    public void A_control_transfer_has_its_three_stages(UsbSpeed speed, int port, int packet)
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Speed = speed };
        byte[] answer = [.. Enumerable.Range(0, 18).Select(value => (byte)(value + 1))];
        int sent = 0;
        bool toggle = true;
        device.Gives = (_, room) =>
        {
            int length = Math.Min(packet, answer.Length - sent);
            answer.AsSpan(sent, length).CopyTo(room.Span);
            return UsbReply.Data(toggle, length);
        };
        device.Confirms = _ => (sent, toggle) = (sent + Math.Min(packet, answer.Length - sent), !toggle);
        bench.Attach(device, port);
        (int slot, XhciTestRing ring) = bench.Address(port);
        device.Heard.Clear();
        ulong buffer = bench.Take(64);
        _ = ring.Add(XhciTrbs.Setup(new() { In = true, Request = 6, Value = 0x100, Length = 18 }, SetupTransferType.In));
        _ = ring.Add(XhciTrbs.Data(buffer, 18, isIn: true));
        ulong status = ring.Add(XhciTrbs.Status(isIn: false));
        bench.Doorbell(slot, 1);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(status).Code);
        Assert.Equal(answer, bench.ReadBytes(buffer, 18));
        int packets = (18 + packet - 1) / packet;
        Assert.Equal(
            [(UsbPid.Setup, UsbPid.Data0), .. Enumerable.Repeat((UsbPid.In, UsbPid.None), packets), (UsbPid.Out, UsbPid.Data1)],
            device.Heard.Select(heard => (heard.Token, heard.Data)));
    }

    [Fact]
    public void Any_chain_of_buffers_moves_the_bytes_it_says()
    {
        Random random = new((int)Property.Seed);
        for (int round = 0; round < Property.Cases(60); round++)
        {
            bool isSuper = random.Next(2) == 0;
            bool isIn = random.Next(2) == 0;
            using XhciBench bench = new(new() { Contexts64Byte = random.Next(2) == 0 });
            bench.Start();
            XhciTestDevice device = new() { Speed = isSuper ? UsbSpeed.Super : UsbSpeed.High };
            (int slot, _, XhciTestRing toDevice, XhciTestRing toHost) = bench.Bulk(device, isSuper ? 5 : 1, burst: isSuper ? random.Next(16) : 0);
            int[] lengths = [.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => random.Next(6) == 0 ? 0 : random.Next(1, 3000))];
            byte[] data = new byte[lengths.Sum()];
            random.NextBytes(data);
            int available = isIn && random.Next(2) == 0 ? random.Next(data.Length + 1) : data.Length;
            Source source = new(data.AsMemory(0, available), isSuper ? 1024 : 512);
            List<byte> taken = [];
            device.Takes = (_, bytes) =>
            {
                taken.AddRange(bytes);
                return random.Next(5) == 0 && !isSuper ? UsbReply.Nyet : UsbReply.Ack;
            };
            device.Gives = (token, room) => random.Next(4) != 0 ? source.Give(room) : device.Later(bench.Loop, token);
            device.Confirms = _ => source.Next();

            XhciTestRing ring = isIn ? toHost : toDevice;
            List<ulong> buffers = [];
            int at = 0;
            foreach (int length in lengths)
            {
                ulong buffer = bench.Take(Math.Max(length, 1), 1);
                if (!isIn)
                    bench.WriteBytes(buffer, data.AsSpan(at, length));
                buffers.Add(buffer);
                at += length;
                _ = ring.Add(XhciTrbs.Normal(buffer, length, interrupts: false, chain: true, interruptsOnShort: false));
            }

            _ = ring.Add(XhciTrbs.EventData(0xAB));
            bench.Doorbell(slot, isIn ? 3 : 2);
            Trb done = bench.Wait(trb => trb.Type == TrbType.TransferEvent);
            TransferEvent told = new(done.Raw);
            Assert.Equal((true, 0xABul, available), (told.EventData, told.Pointer, told.Residual));
            Assert.Equal(available < data.Length ? CompletionCode.ShortPacket : CompletionCode.Success, told.Code);
            if (isIn)
            {
                byte[] got = [.. lengths.SelectMany((length, index) => bench.ReadBytes(buffers[index], length))];
                Assert.Equal(data.AsSpan(0, available), got.AsSpan(0, available));
                Assert.All(got[available..], value => Assert.Equal(0, value));
            }
            else
            {
                Assert.Equal(data, taken);
            }
        }
    }

    [Fact]
    public void Lengths_less_residuals_add_up_to_what_the_device_moved()
    {
        Random random = new((int)Property.Seed + 1);
        for (int round = 0; round < Property.Cases(40); round++)
        {
            using XhciBench bench = new();
            bench.Start();
            XhciTestDevice device = new();
            (int slot, _, _, XhciTestRing ring) = bench.Bulk(device, 1);
            int moved = 0;
            int length = 0;
            bool toggle = false;
            device.Gives = (_, _) => UsbReply.Data(toggle, length = random.Next(3) == 0 ? random.Next(512) : 512);
            device.Confirms = _ => (moved, toggle) = (moved + length, !toggle);
            Dictionary<ulong, int> asked = [];
            for (int transfer = 0; transfer < 20; transfer++)
            {
                int size = random.Next(1, 5) * 512;
                asked[ring.Add(XhciTrbs.Normal(bench.Take(size), size))] = size;
            }

            bench.Doorbell(slot, 3);
            bench.Loop.RunFor(50_000_000);
            TransferEvent[] told = XhciTrbs.Transfers(bench.Drain());
            Assert.Equal(asked.Keys, told.Select(transfer => transfer.Pointer));
            Assert.Equal(moved, told.Sum(transfer => asked[transfer.Pointer] - transfer.Residual));
            Assert.All(told, transfer => Assert.Equal(transfer.Residual == 0 ? CompletionCode.Success : CompletionCode.ShortPacket, transfer.Code));
        }
    }

    [Fact]
    public void Immediate_data_is_sent_from_the_block_itself()
    {
        using XhciBench bench = new();
        bench.Start();
        byte[]? got = null;
        XhciTestDevice device = new() { Takes = (_, bytes) => Take(bytes) };
        (int slot, _, XhciTestRing ring, XhciTestRing toHost) = bench.Bulk(device, 1);
        ulong at = ring.Add(new(new NormalTrb { Type = TrbType.Normal, Buffer = 0x0807_0605_0403_0201, Length = 6, Immediate = true, InterruptOnCompletion = true }.Raw));
        bench.Doorbell(slot, 2);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        Assert.Equal([1, 2, 3, 4, 5, 6], got);
        at = toHost.Add(new(new NormalTrb { Type = TrbType.Normal, Length = 6, Immediate = true }.Raw));
        bench.Doorbell(slot, 3);
        Assert.Equal(CompletionCode.TrbError, bench.WaitTransfer(at).Code);
        Assert.Equal(EndpointState.Error, bench.EndpointContextOf(slot, 3).State);

        UsbReply Take(byte[] bytes)
        {
            got = bytes;
            return UsbReply.Ack;
        }
    }

    [Fact]
    public void A_stall_halts_until_reset_dequeue_and_doorbell()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Gives = static (_, _) => UsbReply.Stall };
        (int slot, _, _, XhciTestRing ring) = bench.Bulk(device, 1);
        ulong at = ring.Add(XhciTrbs.Normal(bench.Take(512), 512));
        ulong next = ring.Add(XhciTrbs.Normal(bench.Take(512), 512));
        bench.Doorbell(slot, 3);
        TransferEvent told = bench.WaitTransfer(at);
        Assert.Equal((CompletionCode.Stall, 512, 3, (byte)slot), (told.Code, told.Residual, told.Endpoint, told.Slot));
        Assert.Equal((EndpointState.Halted, at), (bench.EndpointContextOf(slot, 3).State, bench.EndpointContextOf(slot, 3).Dequeue));
        device.Gives = static (_, _) => UsbReply.Data(false, 512);
        device.Heard.Clear();
        bench.Doorbell(slot, 3);
        bench.Loop.RunFor(1_000_000);
        Assert.Empty(device.Heard);
        Assert.Equal(CompletionCode.ContextStateError, bench.Command(XhciTrbs.SetDequeue(slot, 3, next, cycle: true)).Code);
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.OfEndpoint(TrbType.ResetEndpoint, slot, 3)).Code);
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.SetDequeue(slot, 3, next, cycle: true)).Code);
        bench.Loop.RunFor(1_000_000);
        Assert.Empty(device.Heard);
        bench.Doorbell(slot, 3);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(next).Code);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(1)]
    public void Silence_halts_after_as_many_errors_as_the_context_says(int errors)
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Gives = static (_, _) => UsbReply.Silence };
        bench.Attach(device, 1);
        (int slot, _) = bench.Address(1);
        XhciTestRing ring = new(bench);
        Assert.Equal(CompletionCode.Success, bench.Configure(slot, (3, XhciBench.Endpoint(XhciEndpointType.BulkIn, 512, ring.Start, errors: errors))));
        device.Heard.Clear();
        ulong at = ring.Add(XhciTrbs.Normal(bench.Take(512), 512));
        bench.Doorbell(slot, 3);
        Assert.Equal(CompletionCode.TransactionError, bench.WaitTransfer(at).Code);
        Assert.Equal(errors, device.Heard.Count);
    }

    [Fact]
    public void A_device_that_sends_too_much_babbles()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Gives = static (_, _) => UsbReply.Data(false, 100) };
        (int slot, _, _, XhciTestRing ring) = bench.Bulk(device, 1);
        ulong buffer = bench.Take(512);
        ulong at = ring.Add(XhciTrbs.Normal(buffer, 99));
        bench.Doorbell(slot, 3);
        Assert.Equal((CompletionCode.Babble, 99), (bench.WaitTransfer(at).Code, XhciTrbs.Transfers(bench.Events)[^1].Residual));
    }

    [Fact]
    public void A_repeated_packet_is_acknowledged_and_dropped()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new();
        bool[] toggles = [false, false, true];
        int sent = 0;
        device.Gives = (_, room) =>
        {
            room.Span[0] = (byte)(sent + 1);
            return UsbReply.Data(toggles[sent], 512);
        };
        device.Confirms = _ => sent++;
        (int slot, _, _, XhciTestRing ring) = bench.Bulk(device, 1);
        ulong buffer = bench.Take(1024);
        ulong at = ring.Add(XhciTrbs.Normal(buffer, 1024));
        bench.Doorbell(slot, 3);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        Assert.Equal((1, 3, 3), (bench.ReadBytes(buffer, 1)[0], bench.ReadBytes(buffer + 512, 1)[0], sent));
    }

    [Fact]
    public void Stopping_tells_how_far_it_came_and_a_doorbell_goes_on_there()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new();
        int given = 0;
        bool toggle = false;
        device.Gives = (_, _) => given >= 2 ? UsbReply.Nak : UsbReply.Data(toggle, 512);
        device.Confirms = _ => (given, toggle) = (given + 1, !toggle);
        (int slot, _, _, XhciTestRing ring) = bench.Bulk(device, 1);
        ulong at = ring.Add(XhciTrbs.Normal(bench.Take(2048), 2048));
        bench.Doorbell(slot, 3);
        bench.Loop.RunFor(1_000_000);
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.OfEndpoint(TrbType.StopEndpoint, slot, 3)).Code);
        TransferEvent[] stopped = XhciTrbs.Transfers(bench.Events);
        Assert.Equal((at, CompletionCode.Stopped, 1024), (stopped[^1].Pointer, stopped[^1].Code, stopped[^1].Residual));
        device.Heard.Clear();
        bench.Loop.RunFor(1_000_000);
        Assert.Empty(device.Heard);
        given = 0;
        bench.Doorbell(slot, 3);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.OfEndpoint(TrbType.StopEndpoint, slot, 3)).Code);
        Assert.Equal(2, XhciTrbs.Transfers(bench.Events).Length);
    }

    [Fact]
    public void A_ring_of_links_alone_does_not_hold_the_controller()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Takes = static (_, _) => UsbReply.Ack };
        (int slot, _, XhciTestRing toDevice, XhciTestRing toHost) = bench.Bulk(device, 1);
        bench.Write(toHost.Start, new LinkTrb { Type = TrbType.Link, Segment = toHost.Start, Cycle = true });
        bench.Doorbell(slot, 3);
        ulong at = toDevice.Add(XhciTrbs.Normal(bench.Take(512), 512));
        bench.Doorbell(slot, 2);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.OfEndpoint(TrbType.StopEndpoint, slot, 3)).Code);
    }

    [Fact]
    public void The_consumer_never_passes_the_boundary_of_the_producer()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new();
        (int slot, _, XhciTestRing ring, _) = bench.Bulk(device, 1);
        for (int transfer = 0; transfer < 200; transfer++)
        {
            int before = device.Heard.Count;
            ulong at = ring.Add(XhciTrbs.Normal(bench.Take(16), 16));
            bench.Doorbell(slot, 2);
            Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
            bench.Loop.RunFor(300_000);
            Assert.Equal(before + 1, device.Heard.Count);
        }
    }

    [Theory]
    [InlineData(DataFault.DataBufferError)]
    [InlineData(DataFault.HostSystemError)]
    public void A_buffer_that_is_not_there_ends_the_transfer_or_the_controller(DataFault policy)
    {
        using XhciBench bench = new(new() { DataFault = policy });
        bench.Start();
        XhciTestDevice device = new();
        (int slot, _, XhciTestRing ring, _) = bench.Bulk(device, 1);
        device.Heard.Clear();
        ulong at = ring.Add(XhciTrbs.Normal(0xFFFF_FFFF_FFFF_FF00, 512));
        bench.Doorbell(slot, 2);
        if (policy == DataFault.DataBufferError)
            Assert.Equal(CompletionCode.DataBufferError, bench.WaitTransfer(at).Code);
        else
            bench.Loop.RunFor(1_000_000);
        Assert.Equal(policy == DataFault.HostSystemError, bench.Status.HostSystemError);
        Assert.Equal(policy == DataFault.HostSystemError, bench.Status.Halted);
        Assert.Empty(device.Heard);
    }

    [Fact]
    public void High_speed_output_asks_by_ping_after_a_refusal()
    {
        using XhciBench bench = new();
        bench.Start();
        int refusals = 2;
        XhciTestDevice device = new() { Takes = (token, _) => token.Endpoint != 0 && refusals > 0 ? Refuse() : UsbReply.Ack };
        device.Pings = () => refusals > 0 ? Refuse() : UsbReply.Ack;
        (int slot, _, XhciTestRing ring, _) = bench.Bulk(device, 1);
        device.Heard.Clear();
        ulong at = ring.Add(XhciTrbs.Normal(bench.Take(100), 100));
        bench.Doorbell(slot, 2);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        Assert.Equal([UsbPid.Out, UsbPid.Ping, UsbPid.Ping, UsbPid.Out], device.Heard.Select(heard => heard.Token));

        UsbReply Refuse()
        {
            refusals--;
            return UsbReply.Nak;
        }
    }

    private sealed class Source(Memory<byte> data, int packetMax)
    {
        private int _at;
        private int _length;
        private bool _toggle;

        public UsbReply Give(Memory<byte> room)
        {
            _length = Math.Min(packetMax, data.Length - _at);
            data.Slice(_at, _length).CopyTo(room);
            return UsbReply.Data(_toggle, _length);
        }

        public void Next() => (_at, _toggle) = (_at + _length, !_toggle);
    }
}
