using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>What SuperSpeed has and USB 2 has not: readiness that the device tells, streams, bursts, links that sleep, two buses at one connector.</summary>
public sealed class XhciSuperSpeedTests
{
    [Theory]
    [InlineData(UsbSpeed.High, 1)]
    [InlineData(UsbSpeed.Super, 5)]
    public void A_SuperSpeed_endpoint_that_is_not_ready_is_asked_once_and_one_of_USB_2_in_each_microframe(UsbSpeed speed, int port)
    {
        using XhciBench bench = new();
        bench.Start();
        bool isReady = false, toggle = false;
        XhciTestDevice device = new() { Speed = speed };
        device.Gives = (_, _) => isReady ? UsbReply.Data(toggle, 8) : UsbReply.Nak;
        device.Confirms = _ => toggle = !toggle;
        (int slot, _, _, XhciTestRing ring) = bench.Bulk(device, port);
        ulong at = ring.Add(XhciTrbs.Normal(bench.Take(1024), 8));
        ulong asked = bench.Controller.Statistics.NotReady;
        bench.Doorbell(slot, 3);
        bench.Loop.RunFor(10_000_000);
        asked = bench.Controller.Statistics.NotReady - asked;
        if (speed == UsbSpeed.Super)
            Assert.Equal(1ul, asked);
        else
            Assert.InRange(asked, 79ul, 81ul);

        // Nothing happens at SuperSpeed by itself, whatever is ready; what others say does not count.
        isReady = true;
        if (speed == UsbSpeed.Super)
        {
            device.Port!.SignalReady(new(UsbPid.In, 77, 1));
            device.SayReady(UsbPid.Out, 1);
            device.SayReady(UsbPid.In, 2);
            bench.Loop.RunFor(10_000_000);
            Assert.Empty(bench.Drain());
            device.SayReady(UsbPid.In, 1);
        }

        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        Assert.Equal(speed == UsbSpeed.Super ? 4ul : 0ul, bench.Controller.Statistics.Ready);

        // Nobody waits for it any more: it is no harm.
        device.SayReady(UsbPid.In, 1);
        bench.Loop.RunFor(1_000_000);
        Assert.Empty(bench.Drain());
    }

    [Fact]
    public void A_disk_says_itself_when_its_endpoints_are_ready()
    {
        using XhciBench bench = new();
        bench.Start();
        MassStorageDevice disk = new(new MemoryDiskImage(new byte[4096]), speed: UsbSpeed.Super);
        bench.Attach(disk, 5);
        (int slot, XhciTestRing control) = bench.Address(5);
        (XhciTestRing toDevice, XhciTestRing toHost) = (new(bench), new(bench));
        Assert.Equal(CompletionCode.Success, bench.Configure(
            slot, (3, XhciBench.Endpoint(XhciEndpointType.BulkIn, 1024, toHost.Start)), (4, XhciBench.Endpoint(XhciEndpointType.BulkOut, 1024, toDevice.Start))));
        _ = control.Add(XhciTrbs.Setup(new() { Request = (byte)StandardRequest.SetConfiguration, Value = 1 }, SetupTransferType.NoData));
        ulong configured = control.Add(XhciTrbs.Status(isIn: true));
        bench.Doorbell(slot, 1);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(configured).Code);

        // The host asks for a status long before it sends a command.
        ulong status = toHost.Add(XhciTrbs.Normal(bench.Take(64), 13));
        bench.Doorbell(slot, 3);
        bench.Loop.RunFor(50_000_000);
        Assert.Equal((1ul, 0ul), (bench.Controller.Statistics.NotReady, bench.Controller.Statistics.Ready));
        ulong buffer = bench.Take(64);
        bench.Write(buffer, new CommandBlockWrapper { Signature = CommandBlockWrapper.ValidSignature, Tag = 5, CommandLength = 6 });
        _ = toDevice.Add(XhciTrbs.Normal(buffer, CommandBlockWrapper.Size));
        bench.Doorbell(slot, 4);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(status).Code);
        Assert.Equal((1ul, 1ul), (bench.Controller.Statistics.NotReady, bench.Controller.Statistics.Ready));
    }

    [Fact]
    public void Streams_have_rings_of_their_own()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Speed = UsbSpeed.Super };
        List<int> heard = [];
        int ready = 2;
        bool toggle = false;
        device.Gives = (token, room) =>
        {
            if (token.Stream != ready)
                return UsbReply.Nak;
            heard.Add(token.Stream);
            return UsbReply.Data(toggle, 100);
        };
        device.Confirms = _ => toggle = !toggle;
        bench.Attach(device, 5);
        (int slot, _) = bench.Address(5);
        ulong array = bench.Take(16 * 4);
        XhciTestRing[] rings = [new(bench), new(bench), new(bench)];
        for (int stream = 1; stream <= 3; stream++)
            bench.Write(array + (ulong)(16 * stream), new StreamContext { Type = StreamContextType.PrimaryRing, Dequeue = rings[stream - 1].Start, CycleState = true });
        EndpointContext context = XhciBench.Endpoint(XhciEndpointType.BulkIn, 1024, array) with { StreamsMax = 1, LinearStreams = true, CycleState = false };
        Assert.Equal(CompletionCode.Success, bench.Configure(slot, (3, context)));
        ulong[] at = [.. rings.Select(ring => ring.Add(XhciTrbs.Normal(bench.Take(100), 100)))];
        for (int stream = 1; stream <= 3; stream++)
            bench.Doorbell(slot, 3, stream);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at[1]).Code);
        ready = 1;
        device.SayReady(UsbPid.In, 1, stream: 1);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at[0]).Code);
        ready = 3;
        device.SayReady(UsbPid.In, 1, stream: 3);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at[2]).Code);
        Assert.Equal([2, 1, 3], heard);
        bench.Loop.RunFor(1_000_000);
        Assert.Equal(at[1] + 16, bench.Read<StreamContext>(array + 32).Dequeue);
        bench.Doorbell(slot, 3, 4);
        Assert.Equal(CompletionCode.InvalidStream, new TransferEvent(bench.Wait(trb => trb.Type == TrbType.TransferEvent).Raw).Code);
        Assert.Equal(EndpointState.Error, bench.EndpointContextOf(slot, 3).State);
    }

    [Fact]
    public void A_burst_of_SuperSpeed_takes_its_time_on_the_wire_and_no_more()
    {
        using XhciBench bench = new();
        bench.Start();
        bool toggle = false;
        XhciTestDevice device = new() { Speed = UsbSpeed.Super, Gives = (_, _) => UsbReply.Data(toggle, 1024) };
        device.Confirms = _ => toggle = !toggle;
        (int slot, _, _, XhciTestRing ring) = bench.Bulk(device, 5, burst: 15);
        ulong at = ring.Add(XhciTrbs.Normal(bench.Take(65536, 65536), 65536));
        ulong start = bench.Loop.NowNs;
        bench.Doorbell(slot, 3);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        ulong wire = (64ul * WireTime.SuperSpeed(1024)) + (4 * WireTime.SuperSpeedBurst);
        Assert.InRange(bench.Loop.NowNs - start, wire - (16 * WireTime.SuperSpeed(1024)), wire + WireTime.MicroframeNs);
    }

    [Fact]
    public void The_longer_the_bursts_the_more_is_moved()
    {
        double before = 0;
        foreach (int packets in (ReadOnlySpan<int>)[1, 2, 4, 8, 16])
        {
            using XhciBench bench = new();
            bench.Start();
            bool toggle = false;
            XhciTestDevice device = new() { Speed = UsbSpeed.Super, Gives = (_, _) => UsbReply.Data(toggle, 1024) };
            device.Confirms = _ => toggle = !toggle;
            (int slot, _, _, XhciTestRing ring) = bench.Bulk(device, 5, burst: packets - 1);
            ulong last = 0;
            for (int transfer = 0; transfer < 16; transfer++)
                last = ring.Add(XhciTrbs.Normal(bench.Take(65536, 65536), 65536));
            ulong start = bench.Loop.NowNs;
            bench.Doorbell(slot, 3);
            Assert.Equal(CompletionCode.Success, bench.WaitTransfer(last).Code);
            double rate = (16 * 65536 * 1000.0) / (bench.Loop.NowNs - start);
            double wire = packets * 1024 * 1000.0 / ((packets * WireTime.SuperSpeed(1024)) + WireTime.SuperSpeedBurst);
            Assert.True(rate > before, $"{rate} MB/s with {packets} packets, {before} before");
            Assert.InRange(rate, 0.9 * wire, wire * 1.02);
            before = rate;
        }
    }

    [Theory]
    [InlineData(0, 0, PortLinkState.U0, 0)]
    [InlineData(100, 0, PortLinkState.U1, 10)]
    [InlineData(100, 8, PortLinkState.U2, 2047)]
    [InlineData(0, 8, PortLinkState.U2, 2047)]
    [InlineData(0xFF, 0xFF, PortLinkState.U0, 0)]
    public void A_link_falls_asleep_when_nobody_uses_it_and_the_next_packet_waits_for_it(int u1Us, int u2Units, PortLinkState asleep, int exitUs)
    {
        using XhciBench bench = new();
        bench.Start();
        MassStorageDevice disk = new(new MemoryDiskImage(new byte[4096]), speed: UsbSpeed.Super);
        bench.Attach(disk, 5);
        (int slot, XhciTestRing ring) = bench.Address(5);
        ulong awake = Request();
        bench.WriteRegister(XhciBench.PortAt(5) + XhciOperationalOffsets.PortPower, new Usb3PortPower { U1Timeout = (byte)u1Us, U2Timeout = (byte)u2Units }.Raw.Value);
        bench.Loop.RunFor(10_000_000);
        Assert.Equal(asleep, bench.Port(5).LinkState);
        ulong asked = Request();
        Assert.Equal(PortLinkState.U0, bench.Port(5).LinkState);
        Assert.InRange((long)asked - (long)awake, (exitUs * 1000) - 500, (exitUs * 1000) + 500);

        ulong Request()
        {
            _ = ring.Add(XhciTrbs.Setup(new() { In = true, Request = 6, Value = 0x100, Length = 18 }, SetupTransferType.In));
            _ = ring.Add(XhciTrbs.Data(bench.Take(64), 18, isIn: true));
            ulong at = ring.Add(XhciTrbs.Status(isIn: false));
            ulong start = bench.Loop.NowNs;
            bench.Doorbell(slot, 1);
            Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
            return bench.Loop.NowNs - start;
        }
    }

    [Fact]
    public void A_connector_has_two_ports_of_which_a_device_uses_one()
    {
        using XhciBench bench = new(new() { Usb2PortCount = 3, Usb3PortCount = 2 });
        bench.Start();
        Assert.Equal([(1, 4), (2, 5)], bench.Controller.Connectors.Select(connector => (connector.Usb2.Number, connector.Usb3.Number)));
        UsbConnector connector = bench.Controller.Connectors[1];
        MassStorageDevice disk = new(new MemoryDiskImage(new byte[4096]), speed: UsbSpeed.Super);
        connector.Plug(disk);
        _ = Assert.Throws<InvalidOperationException>(() => connector.Plug(disk));
        bench.Loop.RunFor(10_000_000);
        Assert.Equal((false, true), (bench.Port(2).Connected, bench.Port(5).Connected));
        Assert.Equal((5, true), (connector.Used!.Number, disk.TalksSuperSpeed));

        // The cable gets damaged: the device is seen on the wires of USB 2, and is one of high speed there.
        connector.HasSuperSpeedWires = false;
        bench.Loop.RunFor(10_000_000);
        Assert.Equal((true, false), (bench.Port(2).Connected, bench.Port(5).Connected));
        bench.WritePort(2, new() { Reset = true });
        bench.Loop.RunFor(60_000_000);
        Assert.Equal(PortSpeed.High, bench.Port(2).Speed);
        Assert.False(disk.TalksSuperSpeed);
        (int slot, XhciTestRing ring) = bench.Address(2);
        ulong buffer = bench.Take(64);
        _ = ring.Add(XhciTrbs.Setup(new() { In = true, Request = 6, Value = 0x100, Length = 18 }, SetupTransferType.In));
        _ = ring.Add(XhciTrbs.Data(buffer, 18, isIn: true));
        ulong at = ring.Add(XhciTrbs.Status(isIn: false));
        bench.Doorbell(slot, 1);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        DeviceDescriptor descriptor = bench.Read<DeviceDescriptor>(buffer);
        Assert.Equal((0x0200, 64), (descriptor.UsbVersion, descriptor.MaxPacketSize0));

        connector.HasSuperSpeedWires = true;
        Assert.Equal(5, connector.Used!.Number);
        Assert.Same(disk, connector.Unplug());
        Assert.Null(connector.Used);
        connector.Plug(new KeyboardDevice(bench.Loop));
        Assert.Equal(2, connector.Used!.Number);
    }
}
