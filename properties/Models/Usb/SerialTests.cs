using System.Text;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class SerialTests
{
    private const ulong Millisecond = 1_000_000;

    public static TheoryData<UsbSpeed> Speeds => [UsbSpeed.Full, UsbSpeed.High];

    [Theory]
    [MemberData(nameof(Speeds))]
    public void Bytes_arrive_once_and_in_order_both_ways_however_slow_the_other_side_is(UsbSpeed speed) => Property.Check(
        (from kind in Gen.Choose(0, 3)
         from count in Gen.Frequency((3, Gen.Choose(0, 200)), (2, Gen.Choose(0, 3000)), (2, Gen.Elements(64, 512, 1024)))
         select (kind, count)).ListOf(),
        steps =>
        {
            int maxPacket = speed == UsbSpeed.High ? 512 : 64;
            SerialDevice serial = new(new(), speed);
            UsbTestHost host = Open(serial);
            List<byte> sent = [], arrived = [], written = [], read = [];
            int lost = 0;
            host.LosesAcknowledgement = _ => lost++ % 5 == 3;
            byte next = 0;
            foreach ((int kind, int count) in steps)
            {
                byte[] data = [.. Enumerable.Range(0, count).Select(_ => next++)];
                switch (kind)
                {
                    case 0:
                        sent.AddRange(data[..host.Out(2, data, maxPacket).Bytes]);
                        break;
                    case 1:
                        arrived.AddRange(data.AsSpan(0, serial.Read(data)));
                        break;
                    case 2:
                        written.AddRange(data[..serial.Write(data)]);
                        break;
                    default:
                        read.AddRange(host.In(1, count, maxPacket).Data);
                        break;
                }

                Assert.True(serial.Available <= SerialDevice.BufferBytes);
            }

            byte[] rest = new byte[SerialDevice.BufferBytes];
            arrived.AddRange(rest.AsSpan(0, serial.Read(rest)));
            while (host.In(1, 1, maxPacket) is { End: UsbPid.Ack } more)
                read.AddRange(more.Data);
            Assert.Equal(sent, arrived);
            Assert.Equal(written, read);
        });

    [Fact]
    public void A_full_far_end_holds_the_host_up_and_a_full_packet_that_is_the_last_is_followed_by_an_empty_one()
    {
        SerialDevice serial = new(new());
        UsbTestHost host = Open(serial);
        Assert.Equal((SerialDevice.BufferBytes, UsbPid.Nak), host.Out(2, new byte[5000]));
        Assert.Equal(UsbPid.Nak, host.Bus.Ping(new(UsbPid.Ping, host.Address, 2)).Pid);
        Assert.Equal(600, serial.Read(new byte[600]));
        Assert.Equal(UsbPid.Ack, host.Bus.Ping(new(UsbPid.Ping, host.Address, 2)).Pid);
        Assert.Equal((512, UsbPid.Ack), host.Out(2, new byte[512]));
        Assert.Equal(UsbPid.Nak, host.Out(2, new byte[512]).End);

        Assert.Equal(SerialDevice.BufferBytes, serial.Write(new byte[5000]));
        Assert.Equal(0, serial.Write(new byte[1]));
        Assert.Equal((SerialDevice.BufferBytes, UsbPid.Ack), host.In(1, 5000) is var all ? (all.Data.Length, all.End) : default);
        Assert.Equal(UsbPid.Nak, host.In(1, 1).End);
        Assert.Equal(5, serial.Write("hello"u8));
        Assert.Equal("hello", Encoding.ASCII.GetString(host.In(1, 5000).Data));
        Assert.Equal(UsbPid.Nak, host.In(1, 1).End);
    }

    [Fact]
    public void The_line_is_set_and_read_and_what_no_line_can_do_is_refused()
    {
        EventLoop loop = new();
        SerialDevice serial = new(loop);
        UsbTestHost host = Open(serial);
        Assert.Equal([0x80, 0x25, 0, 0, 0, 0, 8], Get());
        Assert.NotNull(host.ClassRequest((byte)CdcRequest.SetLineCoding, data: [0x00, 0xC2, 0x01, 0x00, 2, 1, 7]));
        Assert.Equal((115200u, StopBits.Two, Parity.Odd, 7), (serial.LineCoding.Rate, serial.LineCoding.StopBits, serial.LineCoding.Parity, serial.LineCoding.DataBits));
        foreach (byte[] bad in (byte[][])[[0, 0, 0, 0, 0, 0, 8], [1, 0, 0, 0, 3, 0, 8], [1, 0, 0, 0, 0, 5, 8], [1, 0, 0, 0, 0, 0, 9], [1, 0, 0, 0, 0, 0]])
            Assert.Null(host.ClassRequest((byte)CdcRequest.SetLineCoding, data: bad));
        Assert.Equal([0x00, 0xC2, 0x01, 0x00, 2, 1, 7], Get());

        Assert.NotNull(host.ClassRequest((byte)CdcRequest.SetControlLineState, 0xFF03));
        Assert.Equal(ControlLines.DataTerminalReady | ControlLines.RequestToSend, serial.ControlLines);

        // A break ends by itself, or when it is told to.
        Assert.NotNull(host.ClassRequest((byte)CdcRequest.SendBreak, 250));
        Assert.True(serial.IsBreaking);
        loop.RunFor(249 * Millisecond);
        Assert.True(serial.IsBreaking);
        loop.RunFor(Millisecond);
        Assert.False(serial.IsBreaking);
        Assert.NotNull(host.ClassRequest((byte)CdcRequest.SendBreak, 0xFFFF));
        loop.RunFor(1_000_000 * Millisecond);
        Assert.True(serial.IsBreaking);
        Assert.NotNull(host.ClassRequest((byte)CdcRequest.SendBreak, 0));
        Assert.False(serial.IsBreaking);

        Assert.Null(host.ClassRequest((byte)CdcRequest.GetLineCoding, index: 1, length: 7));
        Assert.Null(host.ClassRequest(0));
        serial.Reset();
        Assert.Equal((9600u, ControlLines.None), (serial.LineCoding.Rate, serial.ControlLines));
        Assert.Null(new UsbTestHost(serial).ClassRequest((byte)CdcRequest.GetLineCoding, length: 7));
        byte[] Get() => host.ClassRequest((byte)CdcRequest.GetLineCoding, length: 7)!;
    }

    [Fact]
    public void Lines_are_notified_when_they_change_and_what_is_irregular_once()
    {
        SerialDevice serial = new(new());
        UsbTestHost host = Open(serial);
        Assert.Null(State());
        serial.Signal(SerialLines.CarrierDetect | SerialLines.DataSetReady);
        Assert.Equal(3, State());
        Assert.Null(State());
        serial.Signal(SerialLines.CarrierDetect | SerialLines.DataSetReady);
        Assert.Null(State());
        serial.Signal(SerialLines.CarrierDetect | SerialLines.Ring);
        serial.Signal(SerialLines.Break);
        Assert.Equal((int)(SerialLines.Ring | SerialLines.Break), State());
        Assert.Null(State());
        serial.Signal(SerialLines.Overrun);
        Assert.Equal((int)SerialLines.Overrun, State());

        // What changes while a notification is not acknowledged is told by the next one.
        serial.Signal(SerialLines.CarrierDetect);
        int packets = 0;
        host.LosesAcknowledgement = _ =>
        {
            if (packets == 0)
                serial.Signal(SerialLines.DataSetReady | SerialLines.ParityError);
            return packets++ == 0;
        };
        Assert.Equal((int)SerialLines.CarrierDetect, State());
        host.LosesAcknowledgement = static _ => false;
        Assert.Equal((int)(SerialLines.DataSetReady | SerialLines.ParityError), State());
        Assert.Null(State());

        int? State()
        {
            (byte[] data, UsbPid end) = host.In(3, 16, 16);
            if (end != UsbPid.Ack)
                return null;
            Assert.Equal("A120000000000200", Convert.ToHexString(data.AsSpan(0, 8)));
            return data[8] | (data[9] << 8);
        }
    }

    [Fact]
    public void A_plug_at_the_far_end_sends_everything_back_and_data_wakes_a_host_that_sleeps()
    {
        SerialDevice serial = new(new(), loopsBack: true);
        UsbTestHost host = Open(serial);
        Assert.Equal((5, UsbPid.Ack), host.Out(2, "hello"u8));
        Assert.Equal("hello", Encoding.ASCII.GetString(host.In(1, 512).Data));
        Assert.Equal((SerialDevice.BufferBytes, UsbPid.Nak), host.Out(2, new byte[5000]));
        Assert.NotNull(host.ClassRequest((byte)CdcRequest.SetControlLineState, 1));
        Assert.Equal(3, host.In(3, 16, 16).Data[8]);
        Assert.NotNull(host.ClassRequest((byte)CdcRequest.SendBreak, 1));
        Assert.Equal(7, host.In(3, 16, 16).Data[8]);

        SerialDevice other = new(new());
        UsbTestHost sleeper = Open(other);
        Assert.NotNull(sleeper.Control(new() { Request = (byte)StandardRequest.SetFeature, Value = (ushort)FeatureSelector.DeviceRemoteWakeup }));
        other.Suspend();
        _ = other.Write("x"u8);
        Assert.Equal(1, sleeper.Wakes);
        other.Signal(SerialLines.Ring);
        Assert.Equal(2, sleeper.Wakes);
        _ = Assert.Throws<ArgumentException>(() => new SerialDevice(new(), UsbSpeed.Low));
    }

    private static UsbTestHost Open(SerialDevice serial)
    {
        UsbTestHost host = new(serial);
        host.Configure();
        return host;
    }
}
