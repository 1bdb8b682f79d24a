using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Isochronous and interrupt endpoints: when they are served, and what is told when they are not.</summary>
public sealed class XhciIsochronousTests
{
    private const int OutIndex = 4;
    private const int InIndex = 5;

    [Theory]
    [InlineData(UsbSpeed.High, 1, 2, 0)]
    [InlineData(UsbSpeed.High, 1, 0, 2)]
    [InlineData(UsbSpeed.Full, 1, 3, 0)]
    [InlineData(UsbSpeed.Super, 5, 1, 3)]
    public void A_transfer_is_served_in_each_interval_and_no_more(UsbSpeed speed, int port, int interval, int burst)
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Speed = speed, Clock = () => bench.Loop.NowNs };
        (int slot, XhciTestRing ring) = Open(bench, device, port, OutIndex, interval, burst, packet: 256);
        int bytes = 256 * (burst + 1);
        List<ulong> given = [.. Enumerable.Range(0, 20).Select(_ => ring.Add(XhciTrbs.Isochronous(bench.Take(bytes), bytes)))];
        device.Heard.Clear();
        device.Times.Clear();
        bench.Doorbell(slot, OutIndex);
        bench.Loop.RunFor(40_000_000);
        TransferEvent[] told = XhciTrbs.Transfers(bench.Drain());
        Assert.Equal(given, told.Take(20).Select(transfer => transfer.Pointer));
        Assert.All(told.Take(20), transfer => Assert.Equal(CompletionCode.Success, transfer.Code));

        // The ring ran dry: that is told once, and the endpoint still runs.
        Assert.Equal(CompletionCode.RingUnderrun, Assert.Single(told.Skip(20)).Code);
        Assert.Equal(EndpointState.Running, bench.EndpointContextOf(slot, OutIndex).State);
        ulong period = (ulong)WireTime.MicroframeNs << interval;
        ulong[] services = [.. device.Times.Select(time => time / period).Distinct()];
        Assert.Equal(20, services.Length);
        Assert.Equal(19ul, services[^1] - services[0]);
        Assert.Equal(20 * (burst + 1), device.Heard.Count);
    }

    [Fact]
    public void A_frame_that_is_named_is_waited_for_and_one_that_has_passed_is_missed()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Clock = () => bench.Loop.NowNs };
        (int slot, XhciTestRing ring) = Open(bench, device, 1, OutIndex, interval: 3, burst: 0, packet: 256);
        int now = new XhciMicroframeIndex(new((uint)bench.ReadRuntime(0))).Frame;
        ulong late = ring.Add(XhciTrbs.Isochronous(bench.Take(256), 256, frame: (now - 5) & 0x7FF));
        ulong early = ring.Add(XhciTrbs.Isochronous(bench.Take(256), 256, frame: (now + 10) & 0x7FF));
        device.Heard.Clear();
        device.Times.Clear();
        bench.Doorbell(slot, OutIndex);
        bench.Loop.RunFor(20_000_000);
        TransferEvent[] told = XhciTrbs.Transfers(bench.Drain());
        Assert.Equal([(late, CompletionCode.MissedService), (early, CompletionCode.Success)], told.Take(2).Select(transfer => (transfer.Pointer, transfer.Code)));
        ulong at = Assert.Single(device.Times);
        int elapsed = new XhciMicroframeIndex(new((uint)bench.ReadRuntime(0))).Frame - now;
        Assert.Equal((ulong)elapsed - 10, (bench.Loop.NowNs - at) / WireTime.FrameNs);
    }

    [Fact]
    public void What_a_device_sends_is_received_short_long_or_not_at_all_without_a_halt()
    {
        using XhciBench bench = new();
        bench.Start();
        int asked = 0;
        XhciTestDevice device = new();
        device.Gives = (_, _) => asked++ switch
        {
            0 => UsbReply.Data(false, 256),
            1 => UsbReply.Data(false, 10),
            2 => UsbReply.Silence,
            3 => UsbReply.Data(false, 257),
            _ => UsbReply.Data(false, 200),
        };
        (int slot, XhciTestRing ring) = Open(bench, device, 1, InIndex, interval: 0, burst: 0, packet: 256);
        for (int transfer = 0; transfer < 4; transfer++)
            _ = ring.Add(XhciTrbs.Isochronous(bench.Take(256), 256));
        _ = ring.Add(XhciTrbs.Isochronous(bench.Take(256), 100));
        bench.Doorbell(slot, InIndex);
        bench.Loop.RunFor(5_000_000);
        TransferEvent[] told = XhciTrbs.Transfers(bench.Drain());
        Assert.Equal(
            [
                (CompletionCode.Success, 0), (CompletionCode.ShortPacket, 246), (CompletionCode.TransactionError, 256),
                (CompletionCode.Babble, 256), (CompletionCode.IsochronousBufferOverrun, 100), (CompletionCode.RingOverrun, 0),
            ],
            told.Select(transfer => (transfer.Code, transfer.Residual)));
        Assert.Equal(EndpointState.Running, bench.EndpointContextOf(slot, InIndex).State);
    }

    [Fact]
    public void A_device_of_high_bandwidth_is_asked_for_as_many_packets_as_it_announces()
    {
        using XhciBench bench = new();
        bench.Start();
        UsbReply[] script =
        [
            UsbReply.Data(UsbPid.Data2, 256), UsbReply.Data(UsbPid.Data1, 256), UsbReply.Data(UsbPid.Data0, 256),
            UsbReply.Data(UsbPid.Data1, 256), UsbReply.Data(UsbPid.Data0, 100),
            UsbReply.Data(UsbPid.Data0, 256),
            UsbReply.Data(UsbPid.Data1, 256), UsbReply.Data(UsbPid.Data1, 256),
            UsbReply.Data(UsbPid.DataM, 256),
        ];
        int asked = 0;
        XhciTestDevice device = new() { Gives = (_, _) => asked < script.Length ? script[asked++] : UsbReply.Silence };
        (int slot, XhciTestRing ring) = Open(bench, device, 1, InIndex, interval: 0, burst: 2, packet: 256);
        for (int transfer = 0; transfer < 5; transfer++)
            _ = ring.Add(XhciTrbs.Isochronous(bench.Take(768), 768));
        bench.Doorbell(slot, InIndex);
        bench.Loop.RunFor(5_000_000);
        Assert.Equal(
            [
                (CompletionCode.Success, 0), (CompletionCode.ShortPacket, 412), (CompletionCode.ShortPacket, 512),
                (CompletionCode.TransactionError, 512), (CompletionCode.TransactionError, 768),
            ],
            XhciTrbs.Transfers(bench.Drain()).Take(5).Select(transfer => (transfer.Code, transfer.Residual)));
        Assert.Equal(script.Length, asked);
    }

    [Fact]
    public void More_than_an_interval_holds_is_an_overrun_and_the_next_transfer_is_served()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new();
        (int slot, XhciTestRing ring) = Open(bench, device, 1, OutIndex, interval: 0, burst: 0, packet: 256);
        ulong large = ring.Add(XhciTrbs.Isochronous(bench.Take(600), 600));
        ulong next = ring.Add(XhciTrbs.Isochronous(bench.Take(100), 100));
        bench.Doorbell(slot, OutIndex);
        bench.Loop.RunFor(2_000_000);
        Assert.Equal(
            [(large, CompletionCode.BandwidthOverrun), (next, CompletionCode.Success)],
            XhciTrbs.Transfers(bench.Drain()).Take(2).Select(transfer => (transfer.Pointer, transfer.Code)));
    }

    [Fact]
    public void An_interrupt_endpoint_is_asked_once_in_its_interval()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Speed = UsbSpeed.Low };
        bench.Attach(device, 1);
        (int slot, _) = bench.Address(1);
        XhciTestRing ring = new(bench);
        Assert.Equal(CompletionCode.Success, bench.Configure(slot, (3, XhciBench.Endpoint(XhciEndpointType.InterruptIn, 8, ring.Start, interval: 6))));
        ulong at = ring.Add(XhciTrbs.Normal(bench.Take(8), 8));
        device.Heard.Clear();
        bench.Doorbell(slot, 3);
        bench.Loop.RunFor(80_000_000);
        Assert.InRange(device.Heard.Count, 9, 11);
        device.Gives = static (_, _) => UsbReply.Data(false, 8);
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
    }

    private static (int Slot, XhciTestRing Ring) Open(XhciBench bench, XhciTestDevice device, int port, int index, int interval, int burst, int packet)
    {
        bench.Attach(device, port);
        (int slot, _) = bench.Address(port);
        XhciTestRing ring = new(bench);
        XhciEndpointType type = (index & 1) != 0 ? XhciEndpointType.IsochronousIn : XhciEndpointType.IsochronousOut;
        Assert.Equal(CompletionCode.Success, bench.Configure(slot, (index, XhciBench.Endpoint(type, packet, ring.Start, interval, burst))));
        return (slot, ring);
    }
}
