using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>The controller admits periodic endpoints while the bus has time for them, and never more.</summary>
public sealed class XhciBandwidthTests
{
    // Blocks of 4 bytes that a microframe has at high speed, and what of them is not for periodic endpoints.
    private const int Limit = 1607 - 322;
    private const int Overhead = 26;

    [Theory]
    [InlineData(1024, 0, 4)]
    [InlineData(512, 0, 8)]
    [InlineData(192, 0, 15)]
    [InlineData(1024, 2, 1)]
    public void As_many_endpoints_fit_into_each_microframe_as_the_reference_says(int packet, int burst, int expected)
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Attach(new XhciTestDevice(), 1);
        (int slot, _) = bench.Address(1);
        int admitted = 0;
        while (admitted < 15 && bench.Configure(slot, (2 * (admitted + 1), XhciBench.Endpoint(XhciEndpointType.IsochronousOut, packet, 0x1000, burst: burst))) == CompletionCode.Success)
            admitted++;
        Assert.Equal(expected, admitted);
        int left = (100 * (Limit - (admitted * (burst + 1) * ((packet / 4) + Overhead)))) / Limit;
        ulong answer = bench.Take(16);
        Assert.Equal(CompletionCode.Success, bench.Command(new(new PortBandwidthCommand { Type = TrbType.GetPortBandwidth, Context = answer, Speed = PortSpeed.High }.Raw)).Code);
        Assert.Equal([(byte)left, 100], bench.ReadBytes(answer, 16)[1..3]);
    }

    [Theory]
    [InlineData(UsbSpeed.High, 1)]
    [InlineData(UsbSpeed.Full, 1)]
    [InlineData(UsbSpeed.Super, 5)]
    public void Whatever_comes_and_goes_a_refusal_changes_nothing_and_removal_gives_all_back(UsbSpeed speed, int port)
    {
        Random random = new((int)Property.Seed);
        for (int round = 0; round < Property.Cases(8); round++)
        {
            using XhciBench bench = new();
            bench.Start();
            bench.Attach(new XhciTestDevice { Speed = speed }, port);
            (int slot, _) = bench.Address(port);
            Dictionary<int, EndpointContext> present = [];
            int refused = 0;
            for (int step = 0; step < 60; step++)
            {
                int index = random.Next(2, 32);
                EndpointContext[] before = Contexts(bench, slot);
                int free = Free(bench, port, speed);
                if (present.Remove(index))
                {
                    ulong input = bench.InputContext(add: 1, drop: 1u << index);
                    Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.ConfigureEndpoint(slot, input)).Code);
                    continue;
                }

                int largest = speed == UsbSpeed.Full ? 1023 : 1024;
                XhciEndpointType type = (index & 1) != 0 ? XhciEndpointType.IsochronousIn : XhciEndpointType.IsochronousOut;
                int interval = speed switch { UsbSpeed.Full => 3 + random.Next(3), UsbSpeed.High => random.Next(3), _ => 0 };
                EndpointContext context = XhciBench.Endpoint(type, speed == UsbSpeed.Super ? largest : random.Next(1, largest + 1), 0x1000, interval, speed switch { UsbSpeed.Full => 0, UsbSpeed.High => random.Next(3), _ => random.Next(16) });
                CompletionCode code = bench.Configure(slot, (index, context));
                if (code == CompletionCode.Success)
                {
                    present[index] = context;
                    Assert.True(Load(present, speed, isIn: false) <= 1 && Load(present, speed, isIn: true) <= 1, $"{step}");
                    continue;
                }

                refused++;
                Assert.Equal(CompletionCode.BandwidthError, code);
                Assert.Equal(before, Contexts(bench, slot));
                Assert.Equal(free, Free(bench, port, speed));
            }

            Assert.InRange(refused, 1, 60);
            Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.ConfigureEndpoint(slot, 0, deconfigures: true)).Code);
            Assert.Equal(100, Free(bench, port, speed));
        }
    }

    [Fact]
    public void Other_devices_with_bandwidth_are_asked_to_give_some_back()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Attach(new XhciTestDevice(), 1);
        bench.Attach(new XhciTestDevice(), 2);
        (int holder, _) = bench.Address(1);
        (int asking, _) = bench.Address(2);
        Assert.Equal(CompletionCode.Success, bench.Configure(holder, (3, XhciBench.Endpoint(XhciEndpointType.InterruptIn, 64, 0x1000, interval: 3))));
        bench.Events.Clear();
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.OfSlot(TrbType.NegotiateBandwidth, asking)).Code);
        Assert.Equal((byte)holder, new SlotEvent(Assert.Single(bench.Events, trb => trb.Type == TrbType.BandwidthRequest).Raw).Slot);
    }

    // What the endpoints need on average, as a share of what there is: a plain sum of their blocks, by direction at SuperSpeed.
    private static double Load(Dictionary<int, EndpointContext> present, UsbSpeed speed, bool isIn) => speed switch
    {
        UsbSpeed.Full => present.Values.Sum(context => (context.MaxPacketSize + 20.0) / (1 << (context.Interval - 3))) / (1285 - 128),
        UsbSpeed.High => present.Values.Sum(context => (context.BurstMax + 1) * (Math.Ceiling(context.MaxPacketSize / 4.0) + Overhead) / (1 << context.Interval)) / Limit,
        _ => present.Where(endpoint => (endpoint.Key & 1) != 0 == isIn)
            .Sum(endpoint => (endpoint.Value.BurstMax + 1) * (Math.Ceiling(endpoint.Value.MaxPacketSize / 16.0) + 8) / (1 << endpoint.Value.Interval)) / (3906 - 390),
    };

    private static EndpointContext[] Contexts(XhciBench bench, int slot) =>
        [.. Enumerable.Range(1, 31).Select(index => bench.EndpointContextOf(slot, index))];

    private static int Free(XhciBench bench, int port, UsbSpeed speed)
    {
        PortSpeed asked = speed switch { UsbSpeed.Full => PortSpeed.Full, UsbSpeed.High => PortSpeed.High, _ => PortSpeed.Super };
        ulong answer = bench.Take(16);
        Assert.Equal(CompletionCode.Success, bench.Command(new(new PortBandwidthCommand { Type = TrbType.GetPortBandwidth, Context = answer, Speed = asked }.Raw)).Code);
        return bench.ReadBytes(answer, 16)[port];
    }
}
