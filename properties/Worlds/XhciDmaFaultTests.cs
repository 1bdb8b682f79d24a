using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A bus that refuses one transaction of the controller, whichever it is.</summary>
public sealed class XhciDmaFaultTests
{
    [Fact]
    public void A_refused_read_of_a_structure_stops_the_controller_for_good_whichever_it_is()
    {
        int reads = 0;
        using (XhciBench counting = new(new() { DataFault = DataFault.HostSystemError }, inner => Watch(inner, (isWrite, _) => Count(ref reads, isWrite))))
            Work(counting);
        Assert.InRange(reads, 15, 200);
        for (int refused = 0; refused < reads; refused++)
        {
            int seen = 0;
            int after = 0;
            bool isOver = false;
            using XhciBench bench = new(
                new() { DataFault = DataFault.HostSystemError },
                inner => Watch(inner, (isWrite, address) =>
                {
                    if (isOver)
                        after++;
                    if (isWrite || seen++ != refused)
                        return DmaStatus.None;
                    isOver = true;
                    return (refused & 1) == 0 ? DmaStatus.Blocked : DmaStatus.Unclaimed;
                }));
            Work(bench);
            Assert.True(isOver);
            Assert.Equal(0, after);
            Assert.True(bench.Status is { HostSystemError: true, Halted: true }, $"read {refused}: {bench.Status}");
            Assert.Equal(1ul, bench.Controller.Statistics.HostSystemErrors);

            // Neither acknowledging the error nor setting run/stop brings it back; a reset does.
            bench.WriteRegister(XhciOperationalOffsets.Status, 0x41C);
            bench.Run(true);
            bench.Doorbell(0, 0);
            bench.Loop.RunFor(1_000_000);
            Assert.True(bench.Status.Halted);
            Assert.Equal(0, after);
            bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { Reset = true }.Raw.Value);
            bench.Run(true);
            Assert.False(bench.Status.Halted);
        }
    }

    [Theory]
    [InlineData(PostedWriteFault.Silent)]
    [InlineData(PostedWriteFault.HostSystemError)]
    public void A_refused_write_is_silent_unless_the_controller_can_hear_of_it(PostedWriteFault fault)
    {
        for (int refused = 0; refused < 10; refused++)
        {
            int seen = 0;
            using XhciBench bench = new(
                new() { PostedWriteFault = fault, DataFault = DataFault.HostSystemError },
                inner => Watch(inner, (isWrite, _) => isWrite && seen++ == refused ? DmaStatus.Blocked : DmaStatus.None));
            Work(bench);
            Assert.True(seen > refused);
            Assert.Equal(fault == PostedWriteFault.HostSystemError, bench.Status.HostSystemError);
        }
    }

    [Fact]
    public void A_controller_that_may_not_master_the_bus_stops_at_its_first_fetch()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Master(false);
        bench.Doorbell(0, 0);
        bench.Loop.RunFor(1_000_000);
        Assert.True(bench.Status is { HostSystemError: true, Halted: true });
    }

    private static WatchedFabric Watch(IDmaFabric inner, Func<bool, Iova, DmaStatus> watch) =>
        new(inner, (isWrite, address, length) => InterruptRange.Contains(address.Value) ? DmaStatus.None : watch(isWrite, address));

    private static DmaStatus Count(ref int reads, bool isWrite)
    {
        reads += isWrite ? 0 : 1;
        return DmaStatus.None;
    }

    // Commands and transfers without waiting for what does not come any more.
    private static void Work(XhciBench bench)
    {
        bench.Start();
        XhciTestDevice device = new() { Gives = static (_, _) => UsbReply.Data(false, 64) };
        bench.Controller.Ports[0].Plug(device);
        bench.WritePort(1, new() { Reset = true });
        bench.Loop.RunFor(60_000_000);
        bench.Write(XhciBench.ContextArray + 8, bench.Take(2048));
        XhciTestRing ring = new(bench);
        XhciTestRing control = new(bench);
        ulong configure = bench.InputContext(add: 0x9);
        bench.Write(bench.InputAt(configure, 0), new SlotContext { Entries = 3 });
        bench.Write(bench.InputAt(configure, 3), XhciBench.Endpoint(XhciEndpointType.BulkIn, 512, ring.Start));
        _ = bench.Commands.Add(XhciTrbs.EnableSlot());
        _ = bench.Commands.Add(XhciTrbs.AddressDevice(1, bench.AddressInput(1, control)));
        _ = bench.Commands.Add(XhciTrbs.ConfigureEndpoint(1, configure));
        bench.Doorbell(0, 0);
        bench.Loop.RunFor(1_000_000);
        _ = ring.Add(XhciTrbs.Normal(bench.Take(512), 512));
        _ = control.Add(XhciTrbs.Setup(new() { Request = 9 }, SetupTransferType.NoData));
        bench.Doorbell(1, 3);
        bench.Doorbell(1, 1);
        bench.Loop.RunFor(1_000_000);
    }
}
