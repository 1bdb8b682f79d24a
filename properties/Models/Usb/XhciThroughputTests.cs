using Dma.Lab;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>Much data through the controller alone: what it allocates, and how fast it is in virtual time.</summary>
public sealed class XhciThroughputTests(ITestOutputHelper output)
{
    private const int TransferBytes = 65536;

    [Theory]
    [InlineData(UsbSpeed.High, 1, 50)]
    [InlineData(UsbSpeed.Super, 5, 400)]
    public void A_steady_stream_is_as_fast_as_the_wire_and_allocates_nothing(UsbSpeed speed, int port, int megabytesPerSecond)
    {
        using XhciBench bench = new();
        bench.Start();
        bool toggle = false;
        int packet = speed == UsbSpeed.Super ? 1024 : 512;
        XhciTestDevice device = new() { Speed = speed };
        device.Gives = (_, _) => UsbReply.Data(toggle, packet);
        device.Confirms = _ => toggle = !toggle;
        (int slot, _, _, XhciTestRing ring) = bench.Bulk(device, port, burst: speed == UsbSpeed.Super ? 15 : 0);
        device.Notes = false;
        ulong buffer = bench.Take(TransferBytes, TransferBytes);
        Func<bool> never = static () => false;
        Round(4);
        for (int transfer = 0; transfer < 16; transfer++)
            Give();
        bench.Doorbell(slot, 3);
        Allocation.CheckNone(20, _ => bench.Loop.RunUntil(never, 1_000_000));
        _ = bench.Drain();
        Assert.Equal(20, XhciTrbs.Transfers(bench.Events).Length);

        ulong startNs = bench.Loop.NowNs;
        int bytes = Round((int)(64 * Math.Min(Property.Depth, 16)));
        ulong tookNs = bench.Loop.NowNs - startNs;
        double rate = bytes * 1000.0 / tookNs;
        output.WriteLine($"{bytes >> 20} MiB at {speed} speed: {rate:F1} MB/s of virtual time.");
        Assert.True(rate > megabytesPerSecond, $"{rate} MB/s");

        void Give() => _ = ring.Add(XhciTrbs.Normal(buffer, TransferBytes));

        int Round(int transfers)
        {
            int told = XhciTrbs.Transfers(bench.Events).Length;
            for (int given = 0; given < transfers; given += 16)
            {
                for (int transfer = 0; transfer < Math.Min(16, transfers - given); transfer++)
                    Give();
                bench.Doorbell(slot, 3);
                ulong seen = bench.Controller.Statistics.Events;
                int expected = told + Math.Min(given + 16, transfers);
                Assert.True(bench.Loop.RunUntil(
                    () =>
                    {
                        if (bench.Controller.Statistics.Events == seen)
                            return false;
                        seen = bench.Controller.Statistics.Events;
                        _ = bench.Drain();
                        return XhciTrbs.Transfers(bench.Events).Length >= expected;
                    },
                    1_000_000_000));
            }

            return transfers * TransferBytes;
        }
    }
}
