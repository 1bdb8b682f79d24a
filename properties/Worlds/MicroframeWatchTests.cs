using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>The watch over microframes fails where more is sent than there is time for.</summary>
public sealed class MicroframeWatchTests
{
    private const byte Bulk = 1;
    private static readonly byte s_stream = (byte)(CountingDevice.EndpointOf(DeviceUse.Stream) & 0xF);

    [Theory]
    [InlineData(12, 0, 0, true)]
    [InlineData(14, 0, 0, false)]
    [InlineData(0, 5, 0, true)]
    [InlineData(0, 6, 0, false)]
    [InlineData(6, 3, 0, true)]
    [InlineData(9, 3, 0, false)]
    [InlineData(0, 0, 40, true)]
    [InlineData(0, 0, 60, false)]
    public void What_has_no_room_in_a_microframe_is_found(int bulk, int periodic, int unanswered, bool fits)
    {
        EventLoop loop = new();
        UsbBus bus = new EhciController(loop).Usb;
        bus.Frames.Start(loop.NowNs);
        MicroframeWatch watch = new(bus, loop);

        // Each microframe is for itself.
        for (int microframe = 0; microframe < 3; microframe++)
        {
            for (int count = 0; count < bulk; count++)
                watch.Transaction(new(UsbPid.In, 1, Bulk), UsbPid.Data0, new byte[512], UsbPid.Ack);
            for (int count = 0; count < periodic; count++)
                watch.Transaction(new(UsbPid.In, 1, s_stream), UsbPid.Data0, new byte[1024], UsbPid.None);
            for (int count = 0; count < unanswered; count++)
                watch.Transaction(new(UsbPid.Out, 1, Bulk), UsbPid.None, [], UsbPid.None);
            loop.RunFor(WireTime.MicroframeNs);
        }

        Assert.Equal(fits, Record.Exception(watch.Check) is null);
    }
}
